"""Size limits for heads and bodies, over real sockets."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from service.http.deadlines import Phase
from service.http.request_head import HEAD_BYTES_MAX
from tests.http.conftest import HASTE_SECONDS
from tests.support.service import signature
from tests.support.wires import (
    BODY,
    GET,
    Wire,
    Wires,
    chunked,
    head,
    post,
    served,
    statuses,
)

pytestmark = pytest.mark.anyio


# Heads


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


# Bodies


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
    """The service reads and drops the rest of the body, and the connection goes on."""
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
    """There is no second answer: the client would take it for the answer to its next request."""
    monkeypatch.setattr(Phase.BODY, "_value_", HASTE_SECONDS)
    async with served(tmp_path, MAX_BODY_BYTES="10") as wires:
        wire = await wires.connect()
        await wire.send(head("Content-Length: 100") + b"a")
        assert (await wire.answer()).status == 413
        assert await wire.rest() == b""


async def test_after_a_refused_body_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path, keep_alive_seconds=HASTE_SECONDS, MAX_BODY_BYTES="10") as wires:
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
