"""Deadlines for heads, bodies and idle connections, over real sockets."""

import asyncio
from pathlib import Path

import pytest

from service.http.deadlines import HEAD_SECONDS
from tests.http.conftest import HASTE_SECONDS, delay
from tests.support.processes import ServiceProcess, serving
from tests.support.service import signature
from tests.support.wires import (
    BODY,
    GET,
    Answer,
    Wire,
    Wires,
    head,
    post,
    served,
    statuses,
    wait_for_status,
)

pytestmark = pytest.mark.anyio


async def drip(wire: Wire, data: bytes) -> Answer:
    """Send one byte at a time with short pauses, until the answer arrives."""
    answer = asyncio.create_task(wire.answer())
    for position in range(len(data)):
        if not answer.done():
            await wire.send(data[position : position + 1])
            await asyncio.wait([answer], timeout=0.02)
    return await answer


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
    """Each request begins in the piece that ends the request before it."""
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
async def test_an_idle_connection_is_closed_in_the_end(tmp_path: Path, last: bytes) -> None:
    async with served(tmp_path, keep_alive_seconds=HASTE_SECONDS) as wires:
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
