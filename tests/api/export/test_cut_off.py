"""GET /messages/export: failures, slow clients and clients that leave."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from service.api.messages.export import EXPORTS_MAX
from service.api.messages.walk import FORMATS
from service.store.interface import QueryTimeout, StoreError
from tests.support.api.exports import LARGE_MESSAGES, PATH, SOME, Pages, fail, fill
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.processes import NO_TLS, serving
from tests.support.service import WAIT_SECONDS, Service, samples
from tests.support.wires import Wires, served

pytestmark = [pytest.mark.anyio, on_each_database]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("failing", [2, 3])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreError("disk I/O error"), 503),
        (QueryTimeout("too long"), 503),
        (ZeroDivisionError("a mistake"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failure_in_the_middle_can_be_told_from_the_end(
    tmp_path: Path,
    database_url: str,
    pages: Pages,
    error: Exception,
    status: int,
    failing: int,
    form: str,
) -> None:
    await fill(database_url, SOME)
    pages.at[failing] = fail(error)
    async with served(tmp_path, DATABASE_URL=database_url) as wires:
        async with httpx.AsyncClient(verify=NO_TLS) as client:
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                await client.get(f"http://127.0.0.1:{wires.port}{PATH}?format={form}")
        pages.count = 0
        wire = await wires.connect()
        await wire.send(f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await wire.answer_head()).status == 200
        rest = await wire.rest()
        assert rest
        assert not rest.endswith(b"\r\n0\r\n\r\n")
        pages.count = 0
        wire = await wires.connect()
        await wire.send(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
        # The end of the connection would be the end of a whole export.
        with pytest.raises(ConnectionResetError):  # noqa: PT012 - after the first pages
            while await wire.some(1 << 20):
                pass
    lines = [line for line in wires.service.log_lines() if line["path"] == PATH]
    assert [(line["status"], line["level"]) for line in lines] == [(status, "ERROR")] * 3
    assert b"a mistake" not in wires.service.log_output()


@pytest.mark.parametrize("query", ["", "?format=csv", "?q=x"])
async def test_a_failure_before_the_first_byte_is_an_answer(
    some: Service, pages: Pages, query: str
) -> None:
    pages.at[1] = fail(StoreError("disk I/O error"))
    answer = await some.get(PATH + query)
    assert answer.status_code == 503
    assert answer.json() == {"detail": "the database does not answer"}
    assert "retry-after" in answer.headers


def get(path: str = PATH, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "\r\n"]).encode()


async def wait_for_count(wires: Wires, status: int, count: float = 1) -> None:
    """Wait until `count` exports have ended with `status`. The service must answer meanwhile."""
    name = f'http_requests_total{{method="GET",path="{PATH}",status="{status}"}}'
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            wire = await wires.connect()
            await wire.send(get("/metrics", "Connection: close"))
            if samples((await wire.answer()).body.decode()).get(name, 0) >= count:
                return
            await asyncio.sleep(0.05)


@on_sqlite
async def test_a_client_that_takes_nothing_stops_the_query_and_is_cut_off(
    folder: Path, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.deadlines.TAKE_SECONDS", 1.0)
    async with served(folder) as wires:
        wire = await wires.connect()
        wire.stop_reading()
        await wire.send(get())
        await asyncio.sleep(0.5)
        count = pages.count
        await wait_for_count(wires, 499)
        assert pages.count <= count + 1
    assert sum(pages.sizes) < LARGE_MESSAGES
    (line,) = [line for line in wires.service.log_lines() if line["path"] == PATH]
    assert line["level"] == "WARNING"
    messages = [line["message"] for line in wires.service.log_lines("server")]
    assert "Cut off: the client took nothing for 1.0 s" in messages


async def test_a_client_that_is_slow_gets_all_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.deadlines.TAKE_SECONDS", 0.5)
    async with served(folder) as wires:
        wire = await wires.connect()
        await wire.send(get(PATH, "Connection: close"))
        await wire.answer_head()
        received = 0
        for _ in range(10):
            await asyncio.sleep(0.2)
            received += len(await wire.some(1 << 20))
        rest = await wire.rest()
    assert rest.endswith(b"\r\n0\r\n\r\n")
    assert received + len(rest) > LARGE_MESSAGES * 4_096


@on_sqlite
@pytest.mark.parametrize("behind", [b"", get("/stats")], ids=["alone", "with another behind it"])
@pytest.mark.parametrize("way", ["leaves", "resets"])
async def test_a_client_that_leaves_stops_the_query(
    folder: Path, pages: Pages, way: str, behind: bytes
) -> None:
    async with served(folder) as wires:
        wire = await wires.connect()
        await wire.send(get() + behind)
        await wire.answer_head()
        if way == "resets":
            wire.reset()
        await wire.leave()
        await wait_for_count(wires, 499)
        count = pages.count
        await asyncio.sleep(0.2)
        assert pages.count == count
    assert sum(pages.sizes) < LARGE_MESSAGES
    assert b"ERROR" not in wires.service.log_output()


async def test_only_so_many_at_a_time(folder: Path) -> None:
    async with served(folder) as wires:
        stalled = [await wires.connect() for _ in range(EXPORTS_MAX)]
        for wire in stalled:
            await wire.send(get())
            assert (await wire.answer_head()).status == 200
        wire = await wires.connect()
        await wire.send(get())
        answer = await wire.answer()
        assert answer.status == 503
        assert "exports are under way" in answer.detail
        assert answer.headers["retry-after"]
        await stalled[0].leave()
        await wait_for_count(wires, 499)
        await wire.send(get())
        assert (await wire.answer_head()).status == 200


async def test_others_are_answered_meanwhile(folder: Path) -> None:
    async with served(folder) as wires:
        stalled = await wires.connect()
        await stalled.send(get())
        await stalled.answer_head()
        wire = await wires.connect()
        for path in ("/messages", "/stats", "/health/ready", f"{PATH}?until=1970-01-01T00:00:00Z"):
            await wire.send(get(path))
            assert (await wire.answer_head()).status == 200
            await wire.leave()
            wire = await wires.connect()


# A process


def test_a_process_exports_in_constant_memory(folder: Path) -> None:
    with serving(folder) as process:
        process.get("/messages")
        before = resident_bytes(process.process.pid)
        with httpx.stream("GET", process.url + PATH, verify=NO_TLS) as answer:
            assert sum(1 for _ in answer.iter_lines()) == LARGE_MESSAGES
        with httpx.stream("GET", process.url + PATH, verify=NO_TLS) as answer:
            next(answer.iter_bytes())
            assert process.get("/stats").status_code == 200
            assert resident_bytes(process.process.pid) - before < LARGE_MESSAGES * 4_096
        line = process.wait_for_line("request", lambda line: line["status"] == 499)
        assert line["path"] == PATH


def resident_bytes(pid: int) -> int:
    """The largest resident memory of a process so far. Skips the test without /proc."""
    file = Path(f"/proc/{pid}/status")
    if not file.exists():
        pytest.skip("this system has no /proc")
    fields = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def test_a_stop_in_the_middle_cuts_it_off(folder: Path) -> None:
    with (
        serving(folder) as process,
        httpx.stream("GET", process.url + PATH, verify=NO_TLS, timeout=30) as answer,
    ):
        chunks = answer.iter_bytes()
        next(chunks)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(10) == 0
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
