"""The HTTP edge, over real sockets: deadlines, bounds, odd requests, and clients that leave."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.http.deadlines import HEAD_SECONDS, Phase
from service.http.request_head import HEAD_BYTES_MAX
from service.store.sqlite.store import SqliteStore
from tests.support.processes import ServiceProcess, serving
from tests.support.service import SECRET, encode, message, samples, signature
from tests.support.wires import (
    BODY,
    GET,
    SERVICE_LOOP,
    Answer,
    Wire,
    Wires,
    chunked,
    hasten,
    head,
    post,
    served,
)

pytestmark = pytest.mark.anyio

HASTE_SECONDS = 0.4


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the service runs on."""
    return SERVICE_LOOP


@pytest.fixture
async def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wires]:
    """A service that waits a moment where others wait for many seconds."""
    hasten(monkeypatch, HASTE_SECONDS)
    monkeypatch.setattr("service.http.transport.LINGER_SECONDS", HASTE_SECONDS)
    async with served(tmp_path) as wires:
        yield wires


async def statuses(wire: Wire, count: int) -> list[int]:
    return [(await wire.answer()).status for _ in range(count)]


async def drip(wire: Wire, data: bytes) -> Answer:
    """Send a byte at a time, often enough that no pause is long, until there is an answer."""
    answer = asyncio.create_task(wire.answer())
    for position in range(len(data)):
        if not answer.done():
            await wire.send(data[position : position + 1])
            await asyncio.wait([answer], timeout=0.02)
    return await answer


def delay(monkeypatch: pytest.MonkeyPatch, seconds: float) -> asyncio.Event:
    """Let each commit take that much longer; gives what is set when one has begun."""
    insert, has_begun = SqliteStore.insert, asyncio.Event()

    async def slow(store: SqliteStore, messages: Any) -> Any:
        has_begun.set()
        await asyncio.sleep(seconds)
        return await insert(store, messages)

    monkeypatch.setattr(SqliteStore, "insert", slow)
    return has_begun


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
    """In one piece, which ends within the head of the last of them."""
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


# Deadlines


async def test_a_slow_head_is_refused(hasty: Wires) -> None:
    wire = await hasty.connect()
    await wire.send(b"POST /webhook HTTP/1.1\r\nHost")
    answer = await wire.answer()
    assert answer.status == 408
    assert "head" in answer.detail
    assert await wire.rest() == b""


async def test_a_head_byte_by_byte_has_no_more_time(hasty: Wires) -> None:
    wire = await hasty.connect()
    answer = await drip(wire, b"GET /health/live HTTP/1.1\r\nX-A: " + b"a" * 1_000)
    assert answer.status == 408


async def test_a_slow_body_is_refused(hasty: Wires) -> None:
    wire = await hasty.connect()
    await wire.send(post()[:-1])
    answer = await wire.answer()
    assert answer.status == 408
    assert "body" in answer.detail
    assert await wire.rest() == b""
    await wait_for_status(hasty, 408)


async def test_a_refused_body_has_the_request_id_of_its_head(hasty: Wires) -> None:
    wire = await hasty.connect()
    await wire.send(post(BODY, "X-Request-ID: mine")[:-1])
    assert (await wire.answer()).headers["x-request-id"] == "mine"


async def test_a_body_byte_by_byte_has_no_more_time(hasty: Wires) -> None:
    wire = await hasty.connect()
    fields = f"X-Signature: {signature(BODY)}", "Content-Length: 1000"
    await wire.send(head(*fields))
    assert (await drip(wire, b" " * 1_000)).status == 408


async def test_a_chunked_body_without_end_has_no_more_time(hasty: Wires) -> None:
    wire = await hasty.connect()
    await wire.send(head("Transfer-Encoding: chunked"))
    assert (await drip(wire, b"1\r\na\r\n" * 200)).status == 408


async def test_a_connection_that_says_nothing_is_closed(hasty: Wires) -> None:
    assert await (await hasty.connect()).rest() == b""


@pytest.mark.parametrize("empty", [b"\r\n", b"\n", b"\r\n\r\n"], ids=repr)
async def test_a_connection_of_empty_lines_is_closed(hasty: Wires, empty: bytes) -> None:
    wire = await hasty.connect()
    await wire.send(empty)
    await wire.rest()


async def test_the_second_head_has_a_deadline_too(hasty: Wires) -> None:
    wire = await hasty.connect()
    await wire.send(GET + GET[:10])
    assert await statuses(wire, 2) == [200, 408]


async def test_between_requests_there_is_time(hasty: Wires) -> None:
    wire = await hasty.connect()
    for _ in range(2):
        await wire.send(post())
        assert (await wire.answer()).status == 200
        await asyncio.sleep(1.5 * HASTE_SECONDS)
    await wire.send(GET)
    assert (await wire.answer()).status == 200


async def test_each_request_has_a_deadline_of_its_own(hasty: Wires) -> None:
    """Requests without a pause, each of which begins in the piece that ends the one before."""
    wire = await hasty.connect()
    half = len(GET) // 2
    await wire.send(GET[:half])
    for _ in range(10):
        await wire.send(GET[half:] + GET[:half])
        assert (await wire.answer()).status == 200
        await asyncio.sleep(HASTE_SECONDS / 6)


async def test_a_slow_commit_is_not_the_clients_fault(
    hasty: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    delay(monkeypatch, 1.5 * HASTE_SECONDS)
    wire = await hasty.connect()
    await wire.send(post())
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("last", [b"", b"\r\n"], ids=["", "and an empty line"])
async def test_an_idle_connection_is_closed_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    monkeypatch.setattr("service.http.server.KEEP_ALIVE_SECONDS", HASTE_SECONDS)
    async with served(tmp_path) as wires:
        wire = await wires.connect()
        await wire.send(GET)
        assert (await wire.answer()).status == 200
        await wire.send(last)
        assert await wire.rest() == b""


def test_a_process_has_the_same_deadlines(tmp_path: Path) -> None:
    async def wait(process: ServiceProcess) -> list[bytes]:
        wires = [Wire(*await asyncio.open_connection("127.0.0.1", process.port)) for _ in "123"]
        await wires[1].send(GET[:10])
        await wires[2].send(GET)
        assert (await wires[2].answer()).status == 200
        silent, slow = await asyncio.gather(wires[0].rest(), wires[1].rest())
        await wires[2].send(GET)
        assert (await wires[2].answer()).status == 200
        for wire in wires:
            await wire.leave()
        return [silent, slow]

    assert HEAD_SECONDS == 10
    with serving(tmp_path) as process:
        silent, slow = asyncio.run(wait(process))
    assert silent == b""
    assert slow.startswith(b"HTTP/1.1 408 ")


# The bound of a head


@pytest.mark.parametrize("size", [100, 1_000, 100_000])
@pytest.mark.parametrize(
    "long",
    [
        pytest.param(b"GET /health/live HTTP/1.1\r\nX-A: " + b"a" * HEAD_BYTES_MAX, id="a value"),
        pytest.param(
            b"GET /health/live HTTP/1.1\r\n" + b"X" * HEAD_BYTES_MAX + b": a", id="a name"
        ),
        pytest.param(b"GET /" + b"a" * HEAD_BYTES_MAX + b" HTTP/1.1", id="a path"),
        pytest.param(b"GET /stats?" + b"a" * HEAD_BYTES_MAX + b" HTTP/1.1", id="a query"),
        pytest.param(
            b"GET /health/live HTTP/1.1\r\n" + b"X-A: a\r\n" * (HEAD_BYTES_MAX // 8) + b"X-A: a",
            id="many fields",
        ),
    ],
)
async def test_a_head_over_32_kib_is_refused(wire: Wire, long: bytes, size: int) -> None:
    request = long + b"\r\nHost: a\r\n\r\n"
    pieces = [request[start : start + size] for start in range(0, len(request), size)]
    with contextlib.suppress(ConnectionError):
        await wire.send(*pieces)
    answer = await wire.answer()
    assert answer.status == 431
    assert "32 KiB" in answer.detail


async def test_a_head_without_end_is_not_read_to_its_end(hasty: Wires) -> None:
    wire = await hasty.connect()
    await wire.send(b"GET /health/live HTTP/1.1\r\n")
    with pytest.raises(ConnectionError):  # noqa: PT012 - where it breaks depends on buffers
        for _ in range(1_000):
            await wire.send(b"X-A: " + b"a" * 10_000 + b"\r\n")
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("size", [1_000, 100_000])
async def test_a_head_of_almost_32_kib_is_accepted(wire: Wire, size: int) -> None:
    request = post(BODY, "X-A: " + "a" * (HEAD_BYTES_MAX - 500))
    await wire.send(*(request[start : start + size] for start in range(0, len(request), size)))
    assert (await wire.answer()).status == 200


async def test_a_long_body_in_one_piece_with_its_head_is_no_long_head(wire: Wire) -> None:
    await wire.send(post(b" " * 500_000 + BODY))
    assert (await wire.answer()).status == 200


async def test_a_second_head_over_32_kib_is_refused(wire: Wire) -> None:
    await wire.send(GET + b"GET / HTTP/1.1\r\nX-A: " + b"a" * 20_000)
    assert await statuses(wire, 1) == [200]
    await wire.send(b"a" * HEAD_BYTES_MAX)
    assert await statuses(wire, 1) == [431]


# The bound of a body


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Wires]:
    async with served(tmp_path, MAX_BODY_BYTES=str(len(BODY))) as wires:
        yield wires


async def test_a_declared_length_is_refused_before_the_body_is_sent(narrow: Wires) -> None:
    wire = await narrow.connect()
    await wire.send(head(f"Content-Length: {len(BODY) + 1}", "Expect: 100-continue"))
    answer = await wire.answer()
    assert answer.status == 413
    assert "MAX_BODY_BYTES" in answer.detail


async def test_a_length_that_no_number_holds_is_refused(wire: Wire) -> None:
    await wire.send(head("Content-Length: " + "9" * 5_000))
    assert (await wire.answer()).status == 400


async def test_chunks_are_counted(narrow: Wires) -> None:
    wire = await narrow.connect()
    fields = f"X-Signature: {signature(BODY)}", "Transfer-Encoding: chunked"
    await wire.send(head(*fields) + chunked(BODY) + head(*fields) + chunked(BODY + b" ") + GET)
    assert await statuses(wire, 3) == [200, 413, 200]


async def test_chunks_without_end_are_refused(narrow: Wires) -> None:
    wire = await narrow.connect()
    await wire.send(head("Transfer-Encoding: chunked"))
    for _ in range(10):
        await wire.send(b"64\r\n" + b"a" * 100 + b"\r\n")
    assert (await wire.answer()).status == 413


@pytest.mark.parametrize("size", [100, 70_000, 1_000_000])
async def test_the_rest_of_a_refused_body_is_no_request(narrow: Wires, size: int) -> None:
    """The connection goes on: what is left of the body is read and thrown away."""
    wire = await narrow.connect()
    body = (b"GET /nothing HTTP/1.1\r\n\r\n" * 50_000)[:1_000_000]
    await wire.send(head(f"Content-Length: {len(body)}"))
    assert (await wire.answer()).status == 413
    await wire.send(*(body[start : start + size] for start in range(0, len(body), size)))
    await wire.send(post())
    assert (await wire.answer()).status == 200


async def test_the_rest_of_a_refused_body_has_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no second answer, which the client would take for that of its next request."""
    monkeypatch.setattr(Phase.BODY, "_value_", HASTE_SECONDS)
    async with served(tmp_path, MAX_BODY_BYTES="10") as wires:
        wire = await wires.connect()
        await wire.send(head("Content-Length: 100") + b"a")
        assert (await wire.answer()).status == 413
        assert await wire.rest() == b""


async def test_after_a_refused_body_an_idle_connection_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.server.KEEP_ALIVE_SECONDS", HASTE_SECONDS)
    async with served(tmp_path, MAX_BODY_BYTES="10") as wires:
        wire = await wires.connect()
        await wire.send(head("Content-Length: 100"))
        assert (await wire.answer()).status == 413
        await wire.send(b"a" * 100)
        assert await wire.rest() == b""


async def test_a_body_that_nobody_asked_for_is_thrown_away(wire: Wire) -> None:
    body = b"a" * 300_000
    request = b"GET /stats HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    await wire.send(request + request.replace(b"/stats", b"/nothing") + GET)
    assert await statuses(wire, 3) == [200, 404, 200]


# Odd requests


async def test_expect_100_continue(wire: Wire) -> None:
    request = post(BODY, "Expect: 100-continue")
    await wire.send(request[: -len(BODY)])
    assert (await wire.answer()).status == 100
    await wire.send(BODY + GET)
    assert await statuses(wire, 2) == [200, 200]


async def test_http_1_0_gets_no_100(wire: Wire) -> None:
    """Which it would take for its answer (RFC 9110, 10.1.1)."""
    request = post(BODY, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    await wire.send(request[: -len(BODY)], BODY)
    assert [answer.status for answer in await wire.answers()] == [200]


@pytest.mark.parametrize("body", [b"", GET], ids=["leaves it out", "sends it"])
async def test_behind_an_answer_before_the_100_nothing_is_read(narrow: Wires, body: bytes) -> None:
    """The client may leave out the body, or send it: what comes next could be either."""
    wire = await narrow.connect()
    await wire.send(head(f"Content-Length: {len(BODY) + 1}", "Expect: 100-continue"))
    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    await wire.send(body + post())
    assert await wire.answers() == []
    await wait_for_status(narrow, 413)
    assert (await scrape(narrow))['webhook_requests_total{result="created"}'] == 0


async def test_a_signature_in_a_trailer_is_none(wire: Wire) -> None:
    trailer = f"0\r\nX-Signature: {signature(BODY)}\r\n\r\n".encode()
    body = chunked(BODY).removesuffix(b"0\r\n\r\n") + trailer
    await wire.send(head("Transfer-Encoding: chunked", "Trailer: X-Signature") + body)
    assert (await wire.answer()).status == 401
    # In pieces, so that the application waits for the body before the trailer is there.
    await wire.send(head("Transfer-Encoding: chunked"), *body.splitlines(keepends=True))
    assert (await wire.answer()).status == 401


async def test_a_trailer_does_not_spoil_a_signature(wire: Wire) -> None:
    body = chunked(BODY).removesuffix(b"0\r\n\r\n") + b"0\r\nX-Signature: false\r\n\r\n"
    fields = f"X-Signature: {signature(BODY)}", "Transfer-Encoding: chunked"
    await wire.send(head(*fields), *body.splitlines(keepends=True))
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.2"])
async def test_an_offer_to_upgrade_is_declined(wire: Wire, upgrade: str) -> None:
    """As curl --http2 and some clients of Java make it, with every request."""
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


# Clients that leave


async def wait_for_status(wires: Wires, status: int) -> None:
    """Wait until a webhook was counted with `status`."""
    name = f'http_requests_total{{method="POST",path="/webhook",status="{status}"}}'
    await wait_for_sample(wires, name, 1)


async def wait_for_sample(wires: Wires, name: str, value: float) -> None:
    for _ in range(1_000):
        if (await scrape(wires)).get(name, 0) >= value:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{name} did not reach {value}")


async def scrape(wires: Wires) -> dict[str, float]:
    wire = await wires.connect()
    await wire.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await wire.answer()
    return samples(answer.body.decode())


async def test_a_client_that_leaves_in_the_middle_of_its_body(wires: Wires, wire: Wire) -> None:
    await wire.send(post()[:-1])
    await wire.leave()
    await wait_for_status(wires, 499)
    metrics = await scrape(wires)
    results = [value for name, value in metrics.items() if name.startswith("webhook_requests")]
    assert not any(results)
    lines = [line for line in wires.service.log_lines() if line["path"] == "/webhook"]
    assert [(line["status"], line["level"]) for line in lines] == [(499, "WARNING")]
    assert b"ERROR" not in wires.service.log_output()


async def test_a_client_that_leaves_in_the_middle_of_its_head(wires: Wires, wire: Wire) -> None:
    await wire.send(post()[:20])
    await wire.leave()
    await scrape(wires)
    assert b"ERROR" not in wires.service.log_output()


async def test_a_client_that_leaves_before_the_answer(wires: Wires) -> None:
    for number in range(20):
        wire = await wires.connect()
        await wire.send(post(encode(message(message_id=str(number)))))
        await wire.leave()
    await wait_for_sample(wires, 'webhook_requests_total{result="created"}', 20)
    assert b"ERROR" not in wires.service.log_output()


@pytest.mark.parametrize("behind", [b"", GET[:20], post()[:-1]], ids=["", "a head", "a body"])
async def test_a_client_that_closes_its_side_gets_its_answers(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, behind: bytes
) -> None:
    """As `nc -N` does. What it has begun behind them has no end, and no answer."""
    delay(monkeypatch, 0.05)
    await wire.send(GET + post() + post() + behind)
    wire.half_close()
    assert [answer.status for answer in await wire.answers()] == [200, 200, 200]


@pytest.mark.parametrize("part", [b"", GET[:20], post()[:-1], GET + post()[:20]], ids=len)
async def test_a_client_that_closes_its_side_is_not_waited_for(wires: Wires, part: bytes) -> None:
    wire = await wires.connect()
    await wire.send(part)
    wire.half_close()
    assert [answer.status for answer in await wire.answers()] == [200] * part.startswith(GET)
    assert (await scrape(wires))['webhook_requests_total{result="created"}'] == 0
    assert b"ERROR" not in wires.service.log_output()


@pytest.mark.parametrize(
    "garbage",
    [b"garbage\r\n\r\n", head("Transfer-Encoding: chunked") + b"x\r\n"],
    ids=["in a head", "in a body"],
)
async def test_a_client_that_closes_its_side_is_told_why_it_is_refused(
    wire: Wire, garbage: bytes
) -> None:
    await wire.send(post() + garbage)
    wire.half_close()
    assert [answer.status for answer in await wire.answers()] == [200, 400]


async def test_a_body_cut_by_a_reset(wires: Wires, wire: Wire) -> None:
    await wire.send(post()[:-1])
    wire.reset()
    await wait_for_status(wires, 499)
    assert b"ERROR" not in wires.service.log_output()


async def test_a_sender_that_has_waited_too_long_and_tries_again(
    wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second attempt arrives while the first one is still being stored."""
    is_being_stored = delay(monkeypatch, HASTE_SECONDS)
    impatient, patient = await wires.connect(), await wires.connect()
    await impatient.send(post())
    await is_being_stored.wait()
    await impatient.leave()
    await patient.send(post())
    assert (await patient.answer()).status == 200
    await check_stored_once(wires)


@pytest.mark.parametrize("part", [1, len(post()) // 2, len(post()) - 1, len(post())])
async def test_a_sender_that_loses_its_connection_and_tries_again(
    wires: Wires, wire: Wire, part: int
) -> None:
    await wire.send(post()[:part])
    wire.reset()
    wire = await wires.connect()
    await wire.send(post())
    assert (await wire.answer()).status == 200
    await check_stored_once(wires)


async def check_stored_once(wires: Wires) -> None:
    metrics = await scrape(wires)
    assert metrics['webhook_requests_total{result="created"}'] == 1
    wire = await wires.connect()
    await wire.send(b"GET /messages HTTP/1.1\r\nHost: a\r\n\r\n")
    assert json.loads((await wire.answer()).body)["data"] == [message()]


def test_the_secret_signs_what_is_sent_here() -> None:
    assert signature(BODY, SECRET) in post().decode()
