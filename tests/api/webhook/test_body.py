"""POST /webhook: bodies that are refused, and the longest body."""

import codecs
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api.webhooks import BODY, assert_refused, only_row
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Service, message, running, signature, signed

pytestmark = [pytest.mark.anyio, on_each_database]


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="white space"),
        pytest.param(b"5", id="a number"),
        pytest.param(b'"message"', id="a string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[" + BODY + b"]", id="an array"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(BODY[:-1], id="truncated"),
        pytest.param(BODY + b"}", id="something behind"),
        pytest.param(BODY + BODY, id="twice"),
        pytest.param(BODY[:-1] + b",}", id="a comma too many"),
        pytest.param(BODY.replace(b'"', b"'"), id="single quotes"),
        pytest.param(BODY.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(BODY.replace(b"Hello", b"\xff"), id="invalid UTF-8 in a value"),
        pytest.param(BODY.replace(b"Hello", b"\xed\xa0\x80"), id="a surrogate in UTF-8"),
        pytest.param(BODY.replace(b"Hello", b"\xc0\x80"), id="U+0000 in two bytes"),
        pytest.param(codecs.BOM_UTF8 * 2 + BODY, id="two byte order marks"),
        pytest.param(codecs.BOM_UTF8, id="only a byte order mark"),
        pytest.param(codecs.BOM_UTF8 * 300_000, id="300,000 byte order marks"),
        pytest.param(b" " + codecs.BOM_UTF8 + BODY, id="a byte order mark after a space"),
        pytest.param(BODY.replace(b"Hello", b"\\ud80"), id="a surrogate that lacks a digit"),
        pytest.param(BODY.replace(b"Hello", b"\0"), id="a raw U+0000"),
        pytest.param(BODY.replace(b"Hello", b"\n"), id="a raw newline"),
        pytest.param(b"\0" + BODY, id="a raw U+0000 in front"),
        pytest.param(b"[" * 5_000, id="5,000 arrays that do not end"),
        pytest.param(b"[" * 5_000 + b"]" * 5_000, id="5,000 arrays"),
        pytest.param(b'{"text":' * 5_000 + b"1" + b"}" * 5_000, id="5,000 objects"),
        pytest.param(b"message_id=m-1&from=%2B49", id="a form"),
    ],
)
async def test_a_body_that_is_no_message_is_refused(service: Service, body: bytes) -> None:
    await assert_refused(service, body, "")


async def test_a_byte_order_mark_is_ignored(service: Service) -> None:
    text = rb"\u0000\ud800"
    response = await service.deliver(codecs.BOM_UTF8 + BODY.replace(b"Hello", text))
    assert response.status_code == 200
    assert await only_row(service) == message(text="\ufffd\ufffd")


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(b'"x":null', id="null"),
        pytest.param(b'"Message_ID":7', id="a name of another case"),
        pytest.param(b'"x":"\\u0000"', id="U+0000"),
        pytest.param(b'"x":[{"message_id":"inner"}]', id="a message inside"),
        pytest.param(b'"x":' + b"9" * 5_000, id="a number of 5,000 digits"),
        pytest.param(b'"x":1e999999', id="a number beyond all numbers"),
        pytest.param(b'"":""', id="an empty name"),
        pytest.param(b'"x":"\\ud800"', id="a lone surrogate"),
        pytest.param(b'"\\ud800":1', id="a lone surrogate in a name"),
    ],
)
async def test_unknown_fields_are_ignored(service: Service, unknown: bytes) -> None:
    response = await service.deliver(b"{" + unknown + b"," + BODY[1:])
    assert response.status_code == 200
    assert await only_row(service) == message()


@on_sqlite
@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(b'"x":' + b"[" * 5_000 + b"]" * 5_000, id="5,000 arrays"),
        pytest.param(b'"x":' + b'{"x":' * 5_000 + b"1" + b"}" * 5_000, id="5,000 objects"),
        pytest.param(b'"x":"\xff"', id="invalid UTF-8 in its value"),
        pytest.param(b'"\xff":1', id="invalid UTF-8 in its name"),
    ],
)
async def test_an_unknown_field_can_not_break_the_service(service: Service, unknown: bytes) -> None:
    response = await service.deliver(b"{" + unknown + b"," + BODY[1:])
    assert response.status_code in (200, 422)
    await service.store(message(message_id="m-2"))


async def test_of_a_repeated_field_the_last_one_counts(service: Service) -> None:
    response = await service.deliver(BODY[:-1] + b',"message_id":"last"}')
    assert response.status_code == 200
    assert await service.ids() == ["last"]


@on_sqlite
async def test_the_content_type_does_not_matter(service: Service) -> None:
    headers = {"X-Signature": signature(BODY), "Content-Type": "text/plain"}
    assert (await service.deliver(BODY, headers)).status_code == 200


async def in_pieces(body: bytes, size: int = 7) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("is_declared", [True, False], ids=["with a length", "in chunks"])
@pytest.mark.parametrize(("excess", "status"), [(0, 200), (1, 413)], ids=["at", "above"])
async def test_the_longest_body(
    tmp_path: Path, is_declared: bool, excess: int, status: int
) -> None:
    body = BODY + b" " * excess
    headers = signed(body) | ({"Content-Length": str(len(body))} if is_declared else {})
    async with running(tmp_path, MAX_BODY_BYTES=str(len(BODY))) as service:
        response = await service.client.post("/webhook", content=in_pieces(body), headers=headers)
        assert response.status_code == status
        assert (await service.ids() == ["m-1"]) == (status == 200)
    if status == 413:
        assert "MAX_BODY_BYTES" in response.json()["detail"]


async def test_a_body_without_end_is_read_no_further_than_allowed(tmp_path: Path) -> None:
    bytes_read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal bytes_read
        while True:
            bytes_read += 100
            yield b" " * 100

    async with running(tmp_path, MAX_BODY_BYTES="1000") as service:
        response = await service.client.post("/webhook", content=endless(), headers=signed(b""))
    assert response.status_code == 413
    assert bytes_read == 1100


@on_sqlite
async def test_a_declared_length_is_enough_to_refuse(service: Service) -> None:
    body = in_pieces(BODY)
    headers = signed(BODY) | {"Content-Length": str(2**31)}
    response = await service.client.post("/webhook", content=body, headers=headers)
    assert response.status_code == 413
    assert await anext(body) == BODY[:7]


# Content-Encoding


@on_sqlite
@pytest.mark.parametrize(
    ("encodings", "status"),
    [
        pytest.param(["identity"], 200, id="identity"),
        pytest.param(["Identity"], 200, id="identity, another case"),
        pytest.param([""], 200, id="empty"),
        pytest.param(["gzip"], 415, id="gzip"),
        pytest.param(["GZIP"], 415, id="gzip, upper case"),
        pytest.param(["br"], 415, id="br"),
        pytest.param(["utf-8"], 415, id="no coding"),
        pytest.param(["identity, gzip"], 415, id="two"),
        pytest.param(["identity", "gzip"], 415, id="two headers"),
    ],
)
async def test_a_compressed_body_is_refused(
    service: Service, encodings: list[str], status: int
) -> None:
    """The header alone decides."""
    headers = [*signed(BODY).items(), *(("Content-Encoding", each) for each in encodings)]
    response = await service.client.post("/webhook", content=BODY, headers=headers)
    assert response.status_code == status
    if status == 415:
        assert response.json()["detail"].startswith("Content-Encoding must be identity")
        assert response.headers["accept-encoding"] == "identity"
        metrics = await service.metrics()
        assert metrics['webhook_refusals_total{reason="content_encoding",source="webhook"}'] == 1
        assert metrics['webhook_requests_total{result="validation_error",source="webhook"}'] == 1
        assert await service.ids() == []
