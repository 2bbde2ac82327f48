"""Requests over real sockets: ordinary, pipelined and odd ones."""

import pytest

from service.http.request_head import HEAD_BYTES_MAX
from tests.support.service import SECRET, encode, message, signature
from tests.support.wires import (
    BODY,
    GET,
    Wire,
    Wires,
    chunked,
    head,
    post,
    scrape,
    statuses,
    wait_for_status,
)

pytestmark = pytest.mark.anyio


# Ordinary requests


async def test_a_webhook(wire: Wire) -> None:
    await wire.send(post())
    answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


async def test_a_webhook_byte_by_byte(wire: Wire) -> None:
    await wire.send(*(bytes([byte]) for byte in post()))
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("size", [1, 100, 10_000])
async def test_a_webhook_in_chunks(wire: Wire, size: int) -> None:
    fields = f"X-Signature: {signature(BODY)}", "Transfer-Encoding: chunked"
    await wire.send(head(*fields) + chunked(BODY, size))
    assert (await wire.answer()).status == 200


async def test_one_connection_serves_many_requests(wire: Wire) -> None:
    for _ in range(3):
        await wire.send(post(), GET)
        assert await statuses(wire, 2) == [200, 200]


async def test_http_1_0_is_answered_and_closed(wire: Wire) -> None:
    await wire.send(b"GET /health/live HTTP/1.0\r\n\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await wire.rest() == b""


async def test_connection_close_closes(wire: Wire) -> None:
    await wire.send(post(BODY, "Connection: close"))
    assert (await wire.answer()).status == 200
    assert await wire.rest() == b""


async def test_head_has_the_length_and_not_the_body(wire: Wire) -> None:
    await wire.send(GET.replace(b"GET", b"HEAD") + GET)
    first = await wire.answer_head()
    assert first.status == 200
    assert int(first.headers["content-length"]) == len(b'{"status":"ok"}')
    assert (await wire.answer()).body == b'{"status":"ok"}'


async def test_an_absolute_url_is_the_same(wire: Wire) -> None:
    await wire.send(GET.replace(b"/health", b"http://elsewhere.example/health"))
    assert (await wire.answer()).status == 200


async def test_the_server_tells_nothing_of_its_make(wire: Wire) -> None:
    await wire.send(GET)
    assert "server" not in (await wire.answer()).headers


# Pipelining


async def test_pipelined_requests_are_answered_in_their_order(wire: Wire) -> None:
    requests = [post(encode(message(message_id=str(number)))) + GET + GET for number in range(20)]
    await wire.send(b"".join(requests) + b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
    answers = [await wire.answer() for _ in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [404]


async def test_pipelined_refusals_do_not_mix(wire: Wire) -> None:
    false = post(BODY, signed_body=b"")
    await wire.send(false + post() + post(b"{}") + false + post())
    assert await statuses(wire, 5) == [401, 200, 422, 401, 200]


@pytest.mark.parametrize("excess", [1, 20, len(GET) - 1])
async def test_many_pipelined_heads_are_not_one_long_one(wire: Wire, excess: int) -> None:
    """They arrive in one piece, which ends inside the last head."""
    count = 3 * HEAD_BYTES_MAX // len(GET)
    await wire.send(GET * count + GET[:excess])
    assert set(await statuses(wire, count)) == {200}
    await wire.send(GET[excess:])
    assert await statuses(wire, 1) == [200]


async def test_a_body_does_not_count_as_the_head_behind_it(wire: Wire) -> None:
    body = b" " * (2 * HEAD_BYTES_MAX) + BODY
    await wire.send(post(body) + GET[:20])
    assert await statuses(wire, 1) == [200]
    await wire.send(GET[20:])
    assert await statuses(wire, 1) == [200]


async def test_what_follows_a_close_is_not_answered(wire: Wire) -> None:
    await wire.send(post(BODY, "Connection: close") + GET)
    assert (await wire.answer()).status == 200
    assert await wire.rest() == b""


async def test_garbage_behind_a_request_does_not_take_its_answer(wire: Wire) -> None:
    await wire.send(post() + post(encode(message(message_id="m-2"))) + b"garbage\r\n\r\n")
    assert await statuses(wire, 3) == [200, 200, 400]
    assert await wire.rest() == b""


@pytest.mark.parametrize("garbage", [b"garbage\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"], ids=repr)
async def test_garbage_behind_an_answer_is_refused(wire: Wire, garbage: bytes) -> None:
    await wire.send(GET)
    assert (await wire.answer()).status == 200
    await wire.send(garbage)
    assert (await wire.answer()).status == 400
    assert await wire.rest() == b""


async def test_a_wrong_chunk_behind_a_refusal_gets_no_second_answer(narrow: Wires) -> None:
    wire = await narrow.connect()
    await wire.send(head("Transfer-Encoding: chunked"), b"400\r\n" + b"a" * 1024 + b"\r\n")
    assert (await wire.answer()).status == 413
    await wire.send(b"nonsense\r\n")
    assert await wire.rest() == b""


# Odd requests


async def test_expect_100_continue(wire: Wire) -> None:
    request = post(BODY, "Expect: 100-continue")
    await wire.send(request[: -len(BODY)])
    assert (await wire.answer()).status == 100
    await wire.send(BODY + GET)
    assert await statuses(wire, 2) == [200, 200]


async def test_http_1_0_gets_no_100(wire: Wire) -> None:
    """An HTTP/1.0 client would take the 100 for its answer (RFC 9110, 10.1.1)."""
    request = post(BODY, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    await wire.send(request[: -len(BODY)], BODY)
    assert [answer.status for answer in await wire.answers()] == [200]


@pytest.mark.parametrize("body", [b"", GET], ids=["leaves it out", "sends it"])
async def test_behind_an_answer_before_the_100_nothing_is_read(narrow: Wires, body: bytes) -> None:
    """The client may send the body or omit it, so the next bytes could be either."""
    wire = await narrow.connect()
    await wire.send(head(f"Content-Length: {len(BODY) + 1}", "Expect: 100-continue"))
    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    await wire.send(body + post())
    assert await wire.answers() == []
    await wait_for_status(narrow, 413)
    assert (await scrape(narrow))['webhook_requests_total{result="created",source="webhook"}'] == 0


async def test_a_signature_in_a_trailer_is_none(wire: Wire) -> None:
    trailer = f"0\r\nX-Signature: {signature(BODY)}\r\n\r\n".encode()
    body = chunked(BODY).removesuffix(b"0\r\n\r\n") + trailer
    await wire.send(head("Transfer-Encoding: chunked", "Trailer: X-Signature") + body)
    assert (await wire.answer()).status == 401
    # In pieces, so that the application waits for the body before the trailer arrives.
    await wire.send(head("Transfer-Encoding: chunked"), *body.splitlines(keepends=True))
    assert (await wire.answer()).status == 401


async def test_a_trailer_does_not_spoil_a_signature(wire: Wire) -> None:
    body = chunked(BODY).removesuffix(b"0\r\n\r\n") + b"0\r\nX-Signature: false\r\n\r\n"
    fields = f"X-Signature: {signature(BODY)}", "Transfer-Encoding: chunked"
    await wire.send(head(*fields), *body.splitlines(keepends=True))
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.2"])
async def test_an_offer_to_upgrade_is_declined(wire: Wire, upgrade: str) -> None:
    """curl --http2 and some Java clients offer it with every request."""
    request = post(BODY, "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}")
    await wire.send(request)
    answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize("count", [1, 1_000])
async def test_an_offer_to_upgrade_may_come_in_pieces(wire: Wire, count: int) -> None:
    request = post(b" " * count + BODY, "Connection: Upgrade", "Upgrade: h2c")
    await wire.send(*(request[start : start + 50] for start in range(0, len(request), 50)))
    assert (await wire.answer()).status == 200


async def test_a_connection_goes_on_behind_an_offer_to_upgrade(wire: Wire) -> None:
    for _ in range(2):
        await wire.send(post(BODY, "Connection: Upgrade", "Upgrade: h2c"))
        assert (await wire.answer()).status == 200
    await wire.send(GET)
    assert (await wire.answer()).status == 200


def test_the_secret_signs_what_is_sent_here() -> None:
    assert signature(BODY, SECRET) in post().decode()
