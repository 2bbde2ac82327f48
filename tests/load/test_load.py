"""What no load may do to the service, as far as it shows without a clock."""

import asyncio
import gc
import signal
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.api.webhooks.bodies import BodyReader
from service.http.request_head import HEAD_BYTES_MAX
from service.store.sqlite.store import SqliteStore
from tests.bench.servers.files import count_messages
from tests.bench.servers.processes import running as running_target
from tests.bench.traffic.client import Client
from tests.load import slow_disk
from tests.load.overload import SLOW_DISK
from tests.load.surroundings import ALTERED
from tests.load.traffic import probe, scrape
from tests.support.service import Service, encode, message, parse_lines, running
from tests.support.wires import GET, SERVICE_LOOP, Answer, Wire, Wires, hasten, post, served

HASTE_SECONDS = 0.5


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the service runs on."""
    return SERVICE_LOOP


def webhook(message_id: str, filling: bytes = b"") -> bytes:
    return post(encode(message(message_id=message_id)) + filling)


async def ask(wire: Wire, request: bytes) -> Answer:
    await wire.send(request)
    return await wire.answer()


# More webhooks than it takes


@pytest.mark.anyio
async def test_under_overload_a_message_is_acknowledged_and_stored_or_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = SqliteStore.insert

    async def insert_slowly(store: SqliteStore, *batch: Any) -> Any:
        await asyncio.sleep(0.02)
        return await insert(store, *batch)

    monkeypatch.setattr(SqliteStore, "insert", insert_slowly)
    async with served(tmp_path, QUEUE_LIMIT="5") as wires:
        senders = [await wires.connect() for _ in range(30)]
        acknowledged, refused = [], []
        for turn in range(3):
            ids = [f"{turn}-{number}" for number in range(len(senders))]
            sent = zip(senders, ids, strict=True)
            answers = await asyncio.gather(*(ask(wire, webhook(id_)) for wire, id_ in sent))
            for message_id, answer in zip(ids, answers, strict=True):
                if answer.status == 200:
                    acknowledged.append(message_id)
                else:
                    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                    assert "QUEUE_LIMIT" in answer.detail
                    refused.append(message_id)
        assert acknowledged
        assert len(refused) > len(acknowledged)
        assert await ids_of(wires.service) == sorted(acknowledged)
        for message_id in refused:
            assert (await ask(senders[0], webhook(message_id))).status == 200
        assert await ids_of(wires.service) == sorted(acknowledged + refused)


async def ids_of(service: Service) -> list[str]:
    """All that are stored."""
    found, after = [], ""
    while True:
        page = (await service.get(f"/messages?limit=100{after}")).json()
        found += [row["message_id"] for row in page["data"]]
        if page["next"] is None:
            return sorted(found)
        after = f"&cursor={page['next']}"


# Connections that begin something and never end it


@pytest.fixture
async def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wires]:
    """A service whose deadlines are short."""
    hasten(monkeypatch, HASTE_SECONDS)
    async with served(tmp_path, keep_alive_seconds=HASTE_SECONDS) as wires:
        yield wires


@pytest.mark.anyio
async def test_endless_connections_are_closed_and_the_others_are_served(
    hasty: Wires,
) -> None:
    idle, unfinished = [], []
    for _ in range(100):
        idle.append(await hasty.connect())
        assert (await ask(idle[-1], GET)).status == 200
        for beginning in (GET[:10], webhook("never")[:-1]):
            unfinished.append(await hasty.connect())
            await unfinished[-1].send(beginning)
    honest = await hasty.connect()
    for number in range(50):
        assert (await ask(honest, webhook(f"honest-{number}"))).status == 200
    for wire in unfinished:
        assert (await wire.answer()).status == 408
    for wire in unfinished + idle:
        assert await wire.rest() == b""
    stored = await ids_of(hasty.service)
    assert stored == sorted(f"honest-{number}" for number in range(50))
    await leave_all(hasty)


def metric(wires: Wires, name: str) -> float | None:
    return wires.service.app.metrics.registry.get_sample_value(name)


@pytest.mark.anyio
async def test_large_bodies_under_way_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[BodyReader] = []

    class KnownReader(BodyReader):
        def __init__(self, body_bytes_max: int) -> None:
            super().__init__(body_bytes_max)
            readers.append(self)

    monkeypatch.setattr("service.api.webhooks.bodies.HELD_BYTES_MAX", 1_000_000)
    monkeypatch.setattr("service.app.BodyReader", KnownReader)
    async with served(tmp_path, MAX_BODY_BYTES="1000000") as wires:
        large = [webhook(f"large-{n}", b" " * 900_000) for n in range(2)]
        first, second, honest = [await wires.connect() for _ in range(3)]
        await first.send(large[0][:600_000])
        for _ in range(1_000):
            if readers[0]._held_bytes > 599_000:
                break
            await asyncio.sleep(0.01)
        for _ in range(2):
            await second.send(large[1])
            answer = await second.answer()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert (await ask(honest, webhook(str(uuid.uuid4())))).status == 200
        await first.send(large[0][600_000:])
        assert (await first.answer()).status == 200
        assert (await ask(second, large[1])).status == 200
        assert results(await wires.service.metrics())["unavailable"] == 2
        assert readers[0]._held_bytes == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "request_",
    [
        GET,
        webhook("stored"),
        webhook("stored").replace(b"X-Signature: ", b"X-Signature: 0"),
        post(b"{"),
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /messages?limit=0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /messages?q=hello HTTP/1.1\r\nHost: a\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * HEAD_BYTES_MAX,
        webhook("late")[:-1],
        webhook("late")[:20],
    ],
)
async def test_a_finished_request_leaves_nothing_for_the_garbage_collector(
    hasty: Wires, request_: bytes
) -> None:
    """It runs seldom: otherwise it would look through thousands of requests again and again."""

    async def come_and_go() -> None:
        wire = await hasty.connect()
        await ask(wire, request_)
        await wire.leave()

    await come_and_go()  # what is made once, and kept
    await leave_all(hasty)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await come_and_go()
        await leave_all(hasty)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [kept for kept in gc.garbage if is_of_a_request(kept)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def leave_all(wires: Wires) -> None:
    """Return when no connection is left."""
    await wires.leave()
    for _ in range(1_000):
        if not metric(wires, "http_connections"):
            break
        await asyncio.sleep(0.01)
    assert metric(wires, "http_connections") == 0


def is_of_a_request(kept: object) -> bool:
    return type(kept).__module__.partition(".")[0] in ("service", "uvicorn")


# A clock that goes back


@pytest.mark.anyio
async def test_a_clock_that_goes_back_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, now_ns = time.time, time.time_ns
    async with running(tmp_path) as service:
        await service.store(*(message(message_id=f"before-{n}") for n in range(10)))
        monkeypatch.setattr(time, "time", lambda: now() - 3_600)
        monkeypatch.setattr(time, "time_ns", lambda: now_ns() - 3_600 * 10**9)
        await service.store(*(message(message_id=f"after-{n}") for n in range(10)))
        await service.store(*(message(message_id=f"before-{n}") for n in range(10)))
        metrics = await service.metrics()
        assert (await service.get("/health/ready")).status_code == 200
        assert len(await ids_of(service)) == 20
        assert (await service.get("/stats")).json()["total_messages"] == 20
    async with running(tmp_path) as service:
        await service.store(*(message(message_id=f"before-{n}") for n in range(10)))
        await service.store(message(message_id="restarted"))
        again = await service.metrics()
        assert len(await ids_of(service)) == 21
    assert results(metrics) == {"created": 20, "duplicate": 10}
    assert results(again) == {"created": 1, "duplicate": 10}


def results(metrics: dict[str, float]) -> dict[str, float]:
    """Of POST /webhook, those that there were."""
    begin, end = 'webhook_requests_total{result="', '",source="webhook"}'
    return {
        name.removeprefix(begin).removesuffix(end): count
        for name, count in metrics.items()
        if name.startswith(begin) and name.endswith(end) and count
    }


def test_the_altered_surroundings_are_altered(tmp_path: Path) -> None:
    """Otherwise `just load surroundings` would prove nothing."""
    with running_target(ALTERED, tmp_path / "app.db") as server, Client(server.port) as client:
        assert probe(server.port).status == 200
        server.send_signal(signal.SIGUSR1)
        assert probe(server.port).status == 200
        assert [client.get("/metrics").status for _ in range(20)] == [200] * 20
        assert client.get("/messages").json()["total"] == 2
    lines = parse_lines((tmp_path / "app.log").read_bytes())
    stamps = [line["ts"] for line in lines if line.get("path") == "/webhook"]
    hours = [int(stamp[11:13]) for stamp in stamps]
    assert (hours[0] - hours[1]) % 24 in (0, 1)
    assert stamps[1] < stamps[0]


def test_the_slow_disk_is_slow(tmp_path: Path) -> None:
    """Otherwise `just load tenfold` would offer less than ten times the peak."""
    with running_target(SLOW_DISK, tmp_path / "app.db") as server:
        assert probe(server.port).status == 200
        took = scrape(server.port)["ingest_commit_duration_seconds_sum"]
        assert count_messages(tmp_path / "app.db") == 1
    assert took >= slow_disk.MESSAGE_SECONDS
