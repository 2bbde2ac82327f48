"""POST /webhook: who is let in, what counts as a message, and what a second delivery changes."""

import asyncio
import codecs
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.store.interface import StoreError
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import (
    SECRET,
    Json,
    Service,
    encode,
    message,
    running,
    signature,
    signed,
    without,
)

pytestmark = [pytest.mark.anyio, on_each_database]

BODY = encode(message())
ASTRAL = "\N{PARTY POPPER}"
MISSING = object()


def changed(field: str, value: Any) -> Json:
    return without(field) if value is MISSING else message(**{field: value})


async def only_row(service: Service) -> Json:
    """What GET /messages shows of the one message that is there."""
    (row,) = (await service.get("/messages")).json()["data"]
    assert isinstance(row, dict)
    return row


async def test_a_message_is_acknowledged_and_can_be_read(service: Service) -> None:
    response = await service.deliver(message())
    assert (response.status_code, response.text) == (200, '{"status":"ok"}')
    assert response.headers["content-type"] == "application/json"
    assert await only_row(service) == message()


# What a message is, row by row of the contract's table


@pytest.mark.parametrize(
    "message_id",
    [
        pytest.param("1", id="one character"),
        pytest.param("m" * 255, id="255 characters"),
        pytest.param(ASTRAL * 255, id="255 characters of four bytes"),
        pytest.param(" m\t", id="white space around"),
        pytest.param("\N{ZERO WIDTH SPACE}", id="invisible, but no white space"),
        pytest.param("a\nb\"c\\d'e\x7f", id="control characters and quotes"),
        pytest.param("'; DROP TABLE messages; --", id="SQL"),
    ],
)
async def test_message_id_is_kept_as_it_is(service: Service, message_id: str) -> None:
    await service.store(message(message_id=message_id))
    assert await service.ids() == [message_id]


@on_sqlite
@pytest.mark.parametrize(
    "message_id",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("m" * 256, id="256 characters"),
        pytest.param(" ", id="a space"),
        pytest.param(
            "\t\r\n\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}", id="white space of all kinds"
        ),
        pytest.param("a\0b", id="U+0000"),
        pytest.param("\0", id="only U+0000"),
        pytest.param(None, id="null"),
        pytest.param(5, id="a number"),
        pytest.param(True, id="a boolean"),
        pytest.param(["m"], id="an array"),
        pytest.param({}, id="an object"),
    ],
)
async def test_message_id_is_refused(service: Service, message_id: Any) -> None:
    await assert_refused(service, changed("message_id", message_id), "message_id")


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "number",
    [pytest.param("+12", id="2 digits"), pytest.param("+123456789012345", id="15 digits")],
)
async def test_number_is_accepted(service: Service, field: str, number: str) -> None:
    await service.store(changed(field, number))
    assert (await only_row(service))[field] == number


@on_sqlite
@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("+", id="no digit"),
        pytest.param("+1", id="1 digit"),
        pytest.param("+1234567890123456", id="16 digits"),
        pytest.param("+0123", id="a leading 0"),
        pytest.param("491701234567", id="no plus"),
        pytest.param("00491701234567", id="00 for the plus"),
        pytest.param("++491701234567", id="two pluses"),
        pytest.param("+49 170 1234567", id="spaces"),
        pytest.param(" +491701234567", id="a space in front"),
        pytest.param("+491701234567\n", id="a newline behind"),
        pytest.param("+49170123456a", id="a letter"),
        pytest.param("+\u0664\u0669\u0661\u0667", id="Arabic digits"),
        pytest.param("\uff0b491701234567", id="a full-width plus"),
        pytest.param("+49\x00170", id="U+0000"),
        pytest.param(None, id="null"),
        pytest.param(491701234567, id="a number"),
    ],
)
async def test_number_is_refused(service: Service, field: str, number: Any) -> None:
    await assert_refused(service, changed(field, number), field)


@pytest.mark.parametrize(
    ("ts", "shown"),
    [
        pytest.param("2024-02-29T23:59:59Z", None, id="leap day"),
        pytest.param("2000-02-29T00:00:00Z", None, id="leap day of a leap century"),
        pytest.param("2025-01-15T10:00:00.5Z", None, id="1 fraction digit"),
        pytest.param("2025-01-15T10:00:00.000001Z", None, id="6 fraction digits"),
        pytest.param("2025-01-15T10:00:00.120000Z", "2025-01-15T10:00:00.12Z", id="zeros behind"),
        pytest.param("2025-01-15T10:00:00.000Z", "2025-01-15T10:00:00Z", id="an empty fraction"),
        pytest.param("1969-12-31T23:59:59.999999Z", None, id="before 1970"),
        pytest.param("0001-01-01T00:00:00Z", None, id="the first instant"),
        pytest.param("9999-12-31T23:59:59.999999Z", None, id="the last instant"),
    ],
)
async def test_ts_is_accepted_and_comes_back(service: Service, ts: str, shown: str | None) -> None:
    await service.store(message(ts=ts))
    assert (await only_row(service))["ts"] == (shown or ts)


@on_sqlite
@pytest.mark.parametrize(
    "ts",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("2025-02-29T10:00:00Z", id="no leap year"),
        pytest.param("1900-02-29T10:00:00Z", id="no leap century"),
        pytest.param("2025-04-31T10:00:00Z", id="day 31 of 30"),
        pytest.param("2025-01-00T10:00:00Z", id="day 0"),
        pytest.param("2025-00-15T10:00:00Z", id="month 0"),
        pytest.param("2025-13-15T10:00:00Z", id="month 13"),
        pytest.param("2025-01-15T24:00:00Z", id="hour 24"),
        pytest.param("2025-01-15T10:60:00Z", id="minute 60"),
        pytest.param("2016-12-31T23:59:60Z", id="a leap second"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("10000-01-01T00:00:00Z", id="year 10000"),
        pytest.param("2025-01-15T10:00:00.1234567Z", id="7 fraction digits"),
        pytest.param("2025-01-15T10:00:00.Z", id="no digit behind the point"),
        pytest.param("2025-01-15T10:00:00,5Z", id="a comma"),
        pytest.param("2025-01-15T10:00:00z", id="lower case z"),
        pytest.param("2025-01-15t10:00:00Z", id="lower case t"),
        pytest.param("2025-01-15 10:00:00Z", id="a space between"),
        pytest.param("2025-01-15T10:00:00", id="no zone"),
        pytest.param("2025-01-15T10:00:00+00:00", id="offset 0"),
        pytest.param("2025-01-15T10:00:00-05:00", id="another offset"),
        pytest.param("2025-01-15T10:00:00Z\n", id="a newline behind"),
        pytest.param(" 2025-01-15T10:00:00Z", id="a space in front"),
        pytest.param("2025-01-15T10:00Z", id="no seconds"),
        pytest.param("2025-01-15", id="a date"),
        pytest.param("20250115T100000Z", id="the basic format"),
        pytest.param("2025-W03-3T10:00:00Z", id="a week date"),
        pytest.param("-025-01-15T10:00:00Z", id="a minus in the year"),
        pytest.param("\u0662\u0660\u0662\u0665-01-15T10:00:00Z", id="Arabic digits"),
        pytest.param("2025-01-15T10:00:00Z\0", id="U+0000"),
        pytest.param(None, id="null"),
        pytest.param(1736935200, id="a number"),
    ],
)
async def test_ts_is_refused(service: Service, ts: Any) -> None:
    await assert_refused(service, changed("ts", ts), "ts")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("x" * 4096, id="4096 characters"),
        pytest.param(ASTRAL * 4096, id="4096 characters of four bytes"),
        pytest.param(" \r\n\t", id="white space"),
        pytest.param("\\u0000", id="a backslash and u0000"),
        pytest.param("e\u0301 \u0634\u0643\u0631 \ufeff\uffff", id="marks and scripts"),
    ],
)
async def test_text_comes_back_as_it_was(service: Service, text: str | None) -> None:
    await service.store(message(text=text))
    assert (await only_row(service))["text"] == text


async def test_text_may_be_missing(service: Service) -> None:
    await service.store(without("text"))
    assert (await only_row(service))["text"] is None


@on_sqlite
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 4097, id="4097 characters"),
        pytest.param(ASTRAL * 4097, id="4097 characters of four bytes"),
        pytest.param("a\0b", id="U+0000"),
        pytest.param(0, id="a number"),
        pytest.param(False, id="a boolean"),
        pytest.param(["Hello"], id="an array"),
        pytest.param({"body": "Hello"}, id="an object"),
    ],
)
async def test_text_is_refused(service: Service, text: Any) -> None:
    await assert_refused(service, changed("text", text), "text")


# What a body is


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
        pytest.param(codecs.BOM_UTF8 + BODY, id="a byte order mark"),
        pytest.param(BODY.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(BODY.replace(b"Hello", b"\xff"), id="invalid UTF-8 in a value"),
        pytest.param(BODY.replace(b"Hello", b"\xed\xa0\x80"), id="a surrogate in UTF-8"),
        pytest.param(BODY.replace(b"Hello", b"\xc0\x80"), id="U+0000 in two bytes"),
        pytest.param(BODY.replace(b"Hello", b"\\ud800"), id="a high surrogate alone"),
        pytest.param(BODY.replace(b"Hello", b"\\udc00 "), id="a low surrogate alone"),
        pytest.param(BODY.replace(b"Hello", b"\\udc00\\ud800"), id="surrogates swapped"),
        pytest.param(BODY.replace(b"m-1", b"\\ud800"), id="a surrogate alone as the id"),
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


@on_sqlite
async def test_a_refusal_says_what_is_wrong_with_a_surrogate(service: Service) -> None:
    response = await service.deliver(message(text="\ud800"))
    assert "lone surrogates" in response.json()["detail"]


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
        pytest.param(b'"x":"\\ud800"', id="a lone surrogate"),
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


# Who is let in


def hex_of(secret: str) -> str:
    return signature(BODY, secret)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(hex_of(SECRET), id="lower case"),
        pytest.param(hex_of(SECRET).upper(), id="upper case"),
        pytest.param("sha256=" + hex_of(SECRET), id="with sha256="),
        pytest.param("sha256=" + hex_of(SECRET).upper(), id="with sha256=, upper case"),
        pytest.param(hex_of("previous"), id="of the previous secret"),
    ],
)
async def test_a_true_signature_is_accepted(tmp_path: Path, value: str) -> None:
    async with running(tmp_path, WEBHOOK_SECRET_PREVIOUS="previous") as service:
        assert (await service.deliver(BODY, {"X-Signature": value})).status_code == 200


TRUE = hex_of(SECRET).encode()


@on_sqlite
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="missing"),
        pytest.param([b""], id="empty"),
        pytest.param([TRUE, TRUE], id="twice"),
        pytest.param([TRUE, b"0" * 64], id="a true one, then a false one"),
        pytest.param([b"0" * 64, TRUE], id="a false one, then a true one"),
        pytest.param([TRUE + b"," + TRUE], id="two in one"),
        pytest.param([signature(BODY + b" ").encode()], id="of another body"),
        pytest.param([hex_of("another secret").encode()], id="of another secret"),
        pytest.param([hex_of("").encode()], id="of an empty secret"),
        pytest.param([TRUE[:-1]], id="63 digits"),
        pytest.param([TRUE + b"0"], id="65 digits"),
        pytest.param([b"x" * 64], id="no digits"),
        pytest.param([b"\xe9" * 64], id="not ASCII"),
        pytest.param(["\u0661".encode() * 32], id="Arabic digits"),
        pytest.param([b"sha256="], id="only sha256="),
        pytest.param([b"sha256=sha256=" + TRUE], id="sha256= twice"),
        pytest.param([b"sha512=" + TRUE], id="another algorithm"),
        pytest.param([b"sha256 " + TRUE], id="a space for the ="),
        pytest.param([b"0" * 30_000], id="30,000 digits"),
    ],
)
async def test_a_signature_is_refused(service: Service, values: Sequence[bytes]) -> None:
    headers = [(b"X-Signature", value) for value in values]
    response = await service.client.post("/webhook", content=BODY, headers=headers)
    assert (response.status_code, response.text) == (401, '{"detail":"invalid signature"}')
    assert await service.ids() == []


@pytest.mark.parametrize(
    "claimed",
    [TRUE, TRUE[::-1], b"0" * 64, b"\xe9" * 64],
    ids=["true", "backwards", "zeros", "not ASCII"],
)
@pytest.mark.parametrize("is_same", [True, False])
async def test_only_a_comparison_in_constant_time_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: bytes, is_same: bool
) -> None:
    """Of bytes of one length: those of another are not compared at all."""
    compared: list[tuple[object, object]] = []

    def compare_digest(one: object, other: object) -> bool:
        compared.append((one, other))
        return is_same

    true = [TRUE] if is_same else [TRUE, hex_of("previous").encode()]
    async with running(tmp_path, WEBHOOK_SECRET_PREVIOUS="previous") as service:
        monkeypatch.setattr("service.sources.signature.hmac.compare_digest", compare_digest)
        statuses = []
        for written in (b"", claimed[:-1], claimed + b"0", claimed):
            headers = [(b"X-Signature", written)]
            response = await service.client.post("/webhook", content=BODY, headers=headers)
            statuses.append(response.status_code)
    assert statuses == [401, 401, 401, 200 if is_same else 401]
    assert compared == [(one, claimed) for one in true]


@on_sqlite
@pytest.mark.parametrize("claimed", [None, "garbage", hex_of("another secret")])
async def test_a_false_signature_never_reaches_the_store(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch, claimed: str | None
) -> None:
    """So that what it costs tells nothing of what is stored."""
    await service.store(message())

    async def touch(*_: object) -> None:
        raise StoreError("the store was touched")

    for name in ("insert", "page", "page_and_count", "totals", "check"):
        monkeypatch.setattr(store_class, name, touch)
    headers = {} if claimed is None else {"X-Signature": claimed}
    for body in (BODY, encode(message(message_id="new")), b"nonsense"):
        assert (await service.deliver(body, headers)).status_code == 401
    assert (await service.deliver(BODY)).status_code == 503


async def test_the_previous_secret_alone_is_none(tmp_path: Path) -> None:
    async with running(tmp_path, WEBHOOK_SECRET="", WEBHOOK_SECRET_PREVIOUS="old") as service:
        response = await service.deliver(BODY, signed(BODY, "old"))
    assert response.status_code == 503


async def test_a_secret_may_hold_any_characters(tmp_path: Path) -> None:
    secret = " k\N{LATIN SMALL LETTER E WITH ACUTE}y "
    async with running(tmp_path, WEBHOOK_SECRET=secret) as service:
        assert (await service.deliver(BODY, signed(BODY, secret))).status_code == 200


# What is refused first


async def test_without_a_secret_nothing_else_is_looked_at(tmp_path: Path) -> None:
    async with running(tmp_path, WEBHOOK_SECRET="", MAX_BODY_BYTES="1") as service:
        response = await service.deliver(BODY)
    assert response.status_code == 503
    assert "WEBHOOK_SECRET" in response.json()["detail"]


async def test_the_length_is_looked_at_before_the_signature(tmp_path: Path) -> None:
    async with running(tmp_path, MAX_BODY_BYTES="10") as service:
        response = await service.deliver(b"[" * 11, {"X-Signature": "false"})
    assert response.status_code == 413


@on_sqlite
async def test_the_signature_is_looked_at_before_the_message(service: Service) -> None:
    response = await service.deliver(b"no JSON", {"X-Signature": "false"})
    assert response.status_code == 401


# How long a body may be


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


# Once each


async def test_a_duplicate_is_acknowledged_and_changes_nothing(service: Service) -> None:
    await service.store(message(), message(), message(text="Other"), message(text=None))
    assert await only_row(service) == message()
    stats = (await service.get("/stats")).json()
    assert stats["total_messages"] == 1
    metrics = await service.metrics()
    assert metrics['webhook_requests_total{result="created"}'] == 1
    assert metrics['webhook_requests_total{result="duplicate"}'] == 3
    assert metrics["webhook_conflicts_total"] == 2


@pytest.mark.parametrize(
    ("change", "conflicts"),
    [
        pytest.param({}, 0, id="nothing"),
        pytest.param({"unknown": "new"}, 0, id="an unknown field"),
        pytest.param({"ts": "2025-01-15T10:00:00.000Z"}, 0, id="the same instant"),
        pytest.param({"from": "+12"}, 1, id="from"),
        pytest.param({"to": "+12"}, 1, id="to"),
        pytest.param({"ts": "2025-01-15T10:00:00.000001Z"}, 1, id="ts"),
        pytest.param({"text": "hello"}, 1, id="text"),
        pytest.param({"text": None}, 1, id="text to null"),
    ],
)
@pytest.mark.parametrize("is_concurrent", [False, True], ids=["in turn", "at once"])
async def test_what_makes_a_duplicate_a_conflict(
    service: Service, change: Json, conflicts: int, is_concurrent: bool
) -> None:
    first, second = service.deliver(message()), service.deliver(message(**change))
    if is_concurrent:
        responses = await asyncio.gather(first, second)
    else:
        responses = (await first, await second)
    assert [response.status_code for response in responses] == [200, 200]
    assert (await service.metrics())["webhook_conflicts_total"] == conflicts


async def test_an_old_delivery_is_as_good_as_a_new_one(service: Service) -> None:
    """The scheme signs no time, so that nothing is stale; replayed, it is a duplicate."""
    old = message(ts="2001-01-01T00:00:00Z")
    await service.store(old, message(message_id="m-2"), old)
    assert await service.ids() == ["m-1", "m-2"]
    assert (await service.metrics())['webhook_requests_total{result="duplicate"}'] == 1


async def test_an_empty_text_is_not_the_same_as_none(service: Service) -> None:
    await service.store(message(text=""), message(text=None))
    assert (await service.metrics())["webhook_conflicts_total"] == 1


async def test_ids_that_look_alike_are_different(service: Service) -> None:
    ids = ["a", "A", " a", "a ", "\u00e9", "e\u0301", "1", "01"]
    await service.store(*(message(message_id=message_id) for message_id in ids))
    assert Counter(await service.ids()) == Counter(ids)


async def test_100_concurrent_deliveries_of_5_ids_leave_5_messages(service: Service) -> None:
    messages = [message(message_id=f"m-{number % 5}") for number in range(100)]
    responses = await asyncio.gather(*map(service.deliver, messages))
    assert [response.status_code for response in responses] == [200] * 100
    assert await service.ids() == [f"m-{number}" for number in range(5)]
    metrics = await service.metrics()
    assert metrics['webhook_requests_total{result="created"}'] == 5
    assert metrics['webhook_requests_total{result="duplicate"}'] == 95
    assert metrics["webhook_conflicts_total"] == 0


# When it can not be stored


async def test_a_failed_commit_is_told_and_may_be_retried(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(store_class, "insert", fail)
        response = await service.deliver(message())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json().keys() == {"detail"}
    assert await service.ids() == []
    assert (await service.metrics())['webhook_requests_total{result="unavailable"}'] == 1
    await service.store(message())


async def assert_refused(service: Service, content: Json | bytes, field: str) -> None:
    """422, the field named, the value not repeated, and nothing stored."""
    response = await service.deliver(content)
    assert response.status_code == 422, response.text
    detail = response.json()["detail"]
    assert detail.startswith(field)
    assert "Hello" not in detail
    assert await service.ids() == []
    assert (await service.metrics())['webhook_requests_total{result="validation_error"}'] == 1
