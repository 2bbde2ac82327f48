"""Reads of events as their number grows, of an idle service."""

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import msgspec

from service.messages.event import Event
from service.store.interface import EventFilter
from service.store.sqlite.store import SqliteStore
from tests.bench.growth import IDLE
from tests.bench.plan import Plan
from tests.bench.servers.databases import KEPT, NAME, digest
from tests.bench.servers.files import bytes_of
from tests.bench.servers.processes import SERVICE, running
from tests.bench.traffic.client import Client
from tests.bench.traffic.dataset import BEGIN, format_instant, random_id
from tests.bench.traffic.reads import EVENT_BARS, VARIANTS, Kind
from tests.bench.traffic.requests import EVENT_BYTES, SECRET
from tests.bench.traffic.sampling import Read, sample_in_turns, summarize
from tests.measure.watch import Watch

SOURCES = ("github", "stripe", *(f"source-{number}" for number in range(18)))
SHARES = (70, 20, *(10 / 18 for _ in SOURCES[2:]))
TYPES = 100
"""Of each source; the first one is that of every second event."""
RARE_TYPE = 90

PROBLEM_APART = 1_000
"""One event of so many has a problem."""

APART_MICROSECONDS = 1_000
BATCH_EVENTS = 1_000
STORED_BYTES_MAX = 1_700
"""More than an event takes in the database's file."""

VARIABLES = {"SOURCE_GITHUB_SECRET": SECRET.decode()}
FIRST_MICROSECONDS = round(BEGIN.timestamp()) * 1_000_000


class Size(msgspec.Struct, frozen=True):
    """A database as it is stored."""

    events: int
    bytes: int


class EventReads(msgspec.Struct, frozen=True):
    """How events are read, and what they take."""

    databases: list[Size]
    reads: list[Read]


def measure_event_reads(plan: Plan, watch: Watch) -> EventReads:
    """Every kind of read at every size."""
    databases = {size: prepare(size, watch) for size in plan.event_sizes}
    steps = len(databases) * plan.read_turns * len(EVENT_BARS)
    with watch.part("reads of events", steps) as begin, ExitStack() as stack:
        served = {}
        for size, database in databases.items():
            server = stack.enter_context(running(SERVICE, database, variables=VARIABLES))
            client = stack.enter_context(Client(server.port))
            served[size] = client, find_kinds(client, size)
        found = sample_in_turns(served, plan, begin)
    sizes = [Size(size, bytes_of(database)) for size, database in databases.items()]
    reads = [summarize(size, IDLE, name, turns) for (size, name), turns in found.items()]
    return EventReads(sizes, reads)


def prepare(count: int, watch: Watch) -> Path:
    """A database of so many events of 1 KB, built if none of its schema is kept."""
    folder = KEPT / f"events-{count}-{digest(SERVICE, Path(__file__))}"
    if not folder.exists():
        partial = KEPT / f"events-{count}-partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if shutil.disk_usage(partial).free < count * STORED_BYTES_MAX:
            raise SystemExit(
                f"{count:,} events need {count * STORED_BYTES_MAX / 1e9:.0f} GB in {KEPT}"
            )
        asyncio.run(_build(partial / NAME, count, watch))
        partial.rename(folder)
    return folder / NAME


def find_kinds(client: Client, count: int) -> list[Kind]:
    """All reads of a database of `prepare`."""
    chosen = random.Random(count)
    ids = [event["id"] for event in client.get("/events?source=github&limit=100").json()["data"]]
    begins = [chosen.randrange(count) for _ in range(VARIANTS)]
    paths = {
        "events, first page": ["/events"],
        "events, latest first": ["/events?order=desc"],
        "source": [f"/events?source={source}" for source in SOURCES],
        "source and type": [f"/events?source=github&type=type-{n}" for n in range(TYPES)],
        "type alone, rare": [f"/events?type=type-{n}" for n in range(RARE_TYPE, TYPES)],
        "problem": ["/events?problem=true", "/events?problem=true&source=github&order=desc"],
        "source, since": [f"/events?source=github&since={_instant(begin)}" for begin in begins],
        "until, latest first": [f"/events?until={_instant(n)}&order=desc" for n in begins],
        "one event": [f"/events/github/{event_id}" for event_id in ids],
        "sources": ["/sources"],
    }
    return [Kind(name, paths[name]) for name in EVENT_BARS]


async def _build(database: Path, count: int, watch: Watch) -> None:
    store = SqliteStore(database)
    await store.open()
    try:
        batch: list[Event] = []
        for event in watch.track("storing events", _events(count), count):
            batch.append(event)
            if len(batch) == BATCH_EVENTS:
                await store.insert([], batch)
                batch = []
        await store.insert([], batch)
        assert sum(each.event_count for each in await store.source_totals()) == count
        assert (await store.events(EventFilter(), None, 1, 0)).rows
    finally:
        await store.close()


def _events(count: int) -> Iterator[Event]:
    chosen = random.Random(1)
    for number in range(count):
        common = chosen.random() < 0.5
        yield Event(
            source=chosen.choices(SOURCES, SHARES)[0],
            event_id=random_id(chosen),
            type=f"type-{0 if common else chosen.randrange(TYPES)}",
            received_at=FIRST_MICROSECONDS + number * APART_MICROSECONDS,
            headers='{"content-type":"application/json","user-agent":"GitHub-Hookshot/0"}',
            content_type="application/json",
            body=b'"%s"' % chosen.randbytes(EVENT_BYTES // 2 - 1).hex().encode(),
            problem=None if chosen.randrange(PROBLEM_APART) else "a problem",
        )


def _instant(number: int) -> str:
    return format_instant(BEGIN + timedelta(microseconds=number * APART_MICROSECONDS))
