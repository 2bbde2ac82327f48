"""`just bench postgres`: the service on PostgreSQL, against SQLite and against others.

wrk, the servers of HTTP and PostgreSQL share the processors of one machine.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.bench import fairness
from tests.bench.client import Client
from tests.bench.databases import Copy, prepare
from tests.bench.load import settle
from tests.bench.plan import FULL, MESSAGES_PER_SECOND_MAX, PEAK_CONNECTIONS, QUICK, Plan
from tests.bench.postgres_servers import DATABASE, SETTINGS, prepare_data, serving
from tests.bench.reads import BARS, find_kinds
from tests.bench.requests import short_requests
from tests.bench.sampling import Read, sample_in_turns, summarize
from tests.bench.servers import FASTAPI_ASYNCPG, SERVICE, Running, Target, cpu_seconds, running
from tests.bench.wrk import Result, find_wrk, run_wrk
from tests.measure.figures import Spread
from tests.measure.machine import wait_until_quiet
from tests.measure.pages import fill_pages
from tests.measure.places import FOLDER, PUBLISHED, scratch, sweep
from tests.measure.results import Measured, load, save
from tests.measure.tables import Columns, number, table, table_of
from tests.measure.turns import run_in_turns
from tests.measure.watch import Watch
from tests.support.postgres.server import Server

RESULTS_FILE = "postgres.json"
SQLITE, POSTGRES = "sqlite", "postgres"
COUNT = "SELECT count(*) AS message_count FROM messages"
MESSAGES = 1_000_000
"""In the database that is read."""

LABELS = {
    "sqlite": "this service on SQLite",
    "trigrams": "this service on PostgreSQL 17, with pg_trgm",
    "two": "two instances of it on one PostgreSQL 17",
    "plain": "this service on PostgreSQL 18, without pg_trgm",
    "fastapi": "FastAPI + asyncpg on PostgreSQL 17",
}

RATIOS = (
    ("PostgreSQL 17 with all indexes, against SQLite", "trigrams", "sqlite", 1),
    ("PostgreSQL 18 without an index of texts, against SQLite", "plain", "sqlite", 1),
    ("one process, against FastAPI + asyncpg", "trigrams", "fastapi", 4),
    ("two instances, against one", "two", "trigrams", 1),
)
"""What is compared, both names, and the least that the ratio should be."""

READS_TIMES_MAX = 2
"""How many times SQLite's time a read may take."""


class Case(NamedTuple):
    """What is loaded: servers of HTTP, and where they store."""

    name: str
    target: Target
    server: Server | None
    """Of PostgreSQL; None for SQLite."""
    instances: int = 1

    def __str__(self) -> str:
        return LABELS[self.name]


class Run(NamedTuple):
    """One run. Costs include what is done after the last answer."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of the service for a webhook."""
    server_cpu_us: float
    """Processor time of PostgreSQL for a webhook."""
    settle_seconds: float


class Rate(msgspec.Struct, frozen=True):
    """All runs of one case, in the order of the turns."""

    name: str
    requests_per_second: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_us: Spread
    server_cpu_us: Spread
    settle_seconds: Spread


class PostgresReport(Measured):
    """All that was found."""

    settings: dict[str, str]
    """PostgreSQL's, other than its defaults."""
    ingest: list[Rate] = msgspec.field(default_factory=list)
    reads: list[Read] = msgspec.field(default_factory=list)
    """`beside` is the database: SQLITE or POSTGRES."""


def main(words: Sequence[str]) -> None:
    """Measure what the words say, show it, and keep it."""
    parser = argparse.ArgumentParser(prog="just bench postgres", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look at it, in few minutes")
    parser.add_argument("--parts", nargs="+", choices=MEASURES, default=[*MEASURES])
    parser.add_argument(
        "--publish", action="store_true", help="put it in place of what is published"
    )
    options = parser.parse_args(words)
    plan, messages = (QUICK, 10_000) if options.quick else (FULL._replace(turns=5), MESSAGES)
    find_wrk()
    sweep()
    with Watch() as watch:
        wait_until_quiet(watch, plan.quiet_seconds_max)
        report = PostgresReport.begin("just bench", settings=SETTINGS)
        for part in options.parts:
            setattr(report, part, MEASURES[part](plan, messages, watch))
    report.end()
    save(report, FOLDER / RESULTS_FILE)
    if options.publish:
        publish(report, options.parts)
    print("\n".join(render_blocks(report).values()))


def publish(report: PostgresReport, parts: Sequence[str]) -> None:
    """Put the parts in place of those that are published, and write the pages."""
    published = report
    if set(parts) != set(MEASURES):
        published = load(PUBLISHED / RESULTS_FILE, PostgresReport)
        for part in parts:
            published.replace_part(part, report)
    save(published, PUBLISHED / RESULTS_FILE)
    fill_pages("postgres", render_blocks(published))


def measure_ingest(plan: Plan, _: int, watch: Watch) -> list[Rate]:
    """The service on both databases, two instances of it, and what is usually built, in turns."""
    with serving(trigrams=True) as with_trigrams, serving(trigrams=False) as without:
        cases = [
            Case("sqlite", SERVICE, None),
            Case("trigrams", SERVICE, with_trigrams),
            Case("two", SERVICE, with_trigrams, instances=2),
            Case("plain", SERVICE, without),
            Case("fastapi", FASTAPI_ASYNCPG, with_trigrams),
        ]
        for case in cases:
            check(case)
        count = plan.seconds * MESSAGES_PER_SECOND_MAX
        requests = [short_requests(count, watch, seed) for seed in (1, 2)]
        runs = run_in_turns(
            "ingest", cases, plan.turns, lambda case: run(case, requests, plan.seconds), watch
        )
    return [Rate(case.name, *map(Spread.of, zip(*of, strict=True))) for case, of in runs.items()]


def check(case: Case) -> None:
    """Raises SystemExit if a server refuses less than the contract says, or more."""
    with _started(case) as servers:
        if complaints := fairness.complaints(servers[0].port):
            raise SystemExit(f"{case}: " + "; ".join(complaints))


def run(case: Case, requests: Sequence[Path], seconds: int) -> Run:
    """Load all instances at once, each from a file of its own.

    Raises SystemExit if an answer is not 200, or if a message that was answered is not stored.
    """
    with _started(case) as servers:
        pids = [case.server.pid] if case.server is not None else []
        began = sum(map(cpu_seconds, pids))

        def load_one(file: Path, server: Running) -> Result:
            return run_wrk(file, server.port, PEAK_CONNECTIONS // len(servers), seconds)

        with ThreadPoolExecutor(len(servers)) as threads:
            results = list(threads.map(load_one, requests, servers))
        settle_seconds = settle(*pids, *(server.pid for server in servers))
        count = sum(result.requests for result in results)
        if not all(result.is_good for result in results):
            raise SystemExit(f"{case}: not every answer was 200 to a new message: no figure")
        if case.server is not None:
            stored = case.server.admin(COUNT, DATABASE)[0]["message_count"]
            if stored < count:
                raise SystemExit(f"{case}: stored {stored} of {count} messages")
        return Run(
            sum(result.requests_per_second for result in results),
            max(result.p50_ms for result in results),
            max(result.p99_ms for result in results),
            sum(server.cpu_seconds() for server in servers) / count * 1e6,
            (sum(map(cpu_seconds, pids)) - began) / count * 1e6,
            settle_seconds,
        )


@contextmanager
def _started(case: Case) -> Iterator[list[Running]]:
    """The instances of a case, on an empty database."""
    with scratch() as folder, ExitStack() as stack:
        variables = {}
        if case.server is not None:
            case.server.create_database(DATABASE)
            stack.callback(case.server.drop_database, DATABASE)
            case.server.admin("CHECKPOINT")  # of what earlier runs have written
            variables["DATABASE_URL"] = case.server.url(DATABASE)
        yield [
            stack.enter_context(running(case.target, folder / f"{n}.db", variables=variables))
            for n in range(case.instances)
        ]


def measure_reads(plan: Plan, messages: int, watch: Watch) -> list[Read]:
    """The same requests for the same messages on both databases, each service idle otherwise."""
    original, data = prepare(messages, watch), prepare_data(messages, watch)
    with ExitStack() as stack:
        server = stack.enter_context(serving(trigrams=True, data=data))
        folder = stack.enter_context(scratch())
        copy = Copy(original, folder / "copy")
        variables = {"DATABASE_URL": server.url(DATABASE)}
        started = {
            SQLITE: running(SERVICE, copy.database),
            POSTGRES: running(SERVICE, folder / "postgres.db", variables=variables),
        }
        clients = {
            name: stack.enter_context(Client(stack.enter_context(each).port))
            for name, each in started.items()
        }
        kinds = find_kinds(clients[SQLITE], messages)
        served = {name: (client, kinds) for name, client in clients.items()}
        with watch.part("reads", plan.read_turns * len(served) * len(BARS)) as begin:
            found = sample_in_turns(served, plan, begin)
    return [summarize(messages, place, name, turns) for (place, name), turns in found.items()]


MEASURES: dict[str, Callable[[Plan, int, Watch], list[Any]]] = {
    "ingest": measure_ingest,
    "reads": measure_reads,
}


def render_blocks(report: PostgresReport) -> dict[str, str]:
    """The tables by their names."""
    settings = ", ".join(f"{name} = {value}" for name, value in report.settings.items())
    columns: Columns = {
        f"{PEAK_CONNECTIONS} connections": lambda rate: LABELS[rate.name],
        "webhooks/s": "requests_per_second",
        "p50, ms": "p50_ms",
        "p99, ms": "p99_ms",
        "CPU of the service, µs": "cpu_us",
        "CPU of PostgreSQL, µs": "server_cpu_us",
        "settled after, s": "settle_seconds",
    }
    return {
        "summary": _summary(report),
        "ingest": table_of(report.ingest, columns),
        "reads": _reads(report),
        "conditions": report.conditions(**{"PostgreSQL's settings": settings}),
    }


def _summary(report: PostgresReport) -> str:
    rates = {rate.name: rate.requests_per_second for rate in report.ingest}
    rows: list[list[object]] = []
    for words, name, other, least in RATIOS:
        if name in rates and other in rates:
            ratio = Spread.of_ratios(rates[name], rates[other])
            rows.append([f"{words}, webhooks/s", ratio, f"at least {least}", ratio.median >= least])
    if pairs := _pairs(report):
        kept = [_is_kept(*pair) for pair in pairs]
        size = pairs[0][0].messages
        words = f"kinds of read at {size:,} messages within {READS_TIMES_MAX}x SQLite's p50 and p99"
        rows.append(
            [words, f"{sum(kept)} of {len(kept)}", f"{len(kept)} of {len(kept)}", all(kept)]
        )
    return table(["what", "measured", "bar", "kept"], rows) + f"\n{report.source()}\n"


def _reads(report: PostgresReport) -> str:
    rows = [
        [
            sqlite.name,
            *(" / ".join(map(number, _times(read))) for read in (sqlite, postgres)),
            " / ".join(map(number, _factors(sqlite, postgres))),
            _is_kept(sqlite, postgres),
        ]
        for sqlite, postgres in _pairs(report)
    ]
    return table(["p50 / p99, ms", "SQLite", "PostgreSQL", "times", "kept"], rows)


def _pairs(report: PostgresReport) -> list[tuple[Read, Read]]:
    found = {(read.beside, read.name): read for read in report.reads}
    return [
        (found[SQLITE, name], found[POSTGRES, name]) for name in BARS if (SQLITE, name) in found
    ]


def _times(read: Read) -> tuple[float, float]:
    """p50 and p99; the longest if every request was refused."""
    p50, p99 = read.p50_ms, read.p99_ms
    return (p50.median if p50 else read.max_ms, p99.median if p99 else read.max_ms)


def _factors(sqlite: Read, postgres: Read) -> list[float]:
    return [of / one for one, of in zip(_times(sqlite), _times(postgres), strict=True)]


def _is_kept(sqlite: Read, postgres: Read) -> bool:
    return not postgres.refused and max(_factors(sqlite, postgres)) <= READS_TIMES_MAX
