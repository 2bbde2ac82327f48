"""`just bench postgres`: the service on PostgreSQL, against SQLite and against others.

wrk, the servers of HTTP and PostgreSQL share the processors of one machine.
"""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.plan import FULL, MESSAGES_PER_SECOND_MAX, PEAK_CONNECTIONS, QUICK, Plan
from tests.bench.servers import fairness
from tests.bench.servers.processes import (
    FASTAPI_ASYNCPG,
    SERVICE,
    Running,
    Target,
    cpu_seconds,
    running,
)
from tests.bench.traffic.load import settle
from tests.bench.traffic.requests import short_requests
from tests.bench.traffic.wrk import Result, find_wrk, run_wrk
from tests.measure.figures import Spread
from tests.measure.machine import wait_until_quiet
from tests.measure.pages import fill_pages
from tests.measure.places import FOLDER, PUBLISHED, scratch, sweep
from tests.measure.results import Measured, save
from tests.measure.tables import Columns, table, table_of
from tests.measure.turns import run_in_turns
from tests.measure.watch import Watch
from tests.support.postgres.install import find_install
from tests.support.postgres.server import Server

RESULTS_FILE = "postgres.json"
SETTINGS = {
    "shared_buffers": "1GB",  # a quarter of a small server's memory
    "max_wal_size": "4GB",  # so that a checkpoint comes by the clock, and not in a load
}
"""What every installation is told to set. fsync and synchronous_commit stay on."""

DATABASE = "bench"
COUNT = "SELECT count(*) AS message_count FROM messages"

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


def main(words: Sequence[str]) -> None:
    """Measure the service on both databases, two instances of it, and FastAPI, in turns."""
    parser = argparse.ArgumentParser(prog="just bench postgres", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look at it, in few minutes")
    parser.add_argument("--publish", action="store_true", help="write it into docs/")
    options = parser.parse_args(words)
    plan = QUICK if options.quick else FULL._replace(turns=5)
    find_wrk()
    sweep()
    with Watch() as watch:
        wait_until_quiet(watch, plan.quiet_seconds_max)
        report = PostgresReport.begin("just bench", settings=SETTINGS)
        report.ingest = measure(plan, watch)
    report.end()
    save(report, (PUBLISHED if options.publish else FOLDER) / RESULTS_FILE)
    if options.publish:
        fill_pages("postgres", render_blocks(report))
    print("\n".join(render_blocks(report).values()))


def measure(plan: Plan, watch: Watch) -> list[Rate]:
    """All cases in turns, each onto an empty database."""
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


@contextmanager
def serving(trigrams: bool) -> Iterator[Server]:
    """A server that syncs: PostgreSQL 17, or 18 without pg_trgm."""
    install = find_install(trigrams)
    if install is None:
        raise SystemExit("The bench finds no PostgreSQL of the tests' packages for this platform.")
    with scratch() as folder:
        folder.chmod(0o755)
        with Server(folder / "server", install, SETTINGS) as server:
            yield server


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
        "conditions": report.conditions(**{"PostgreSQL's settings": settings}),
    }


def _summary(report: PostgresReport) -> str:
    rates = {rate.name: rate.requests_per_second for rate in report.ingest}
    rows: list[list[object]] = []
    for words, name, other, least in RATIOS:
        if name in rates and other in rates:
            ratio = Spread.of_ratios(rates[name], rates[other])
            rows.append([f"{words}, webhooks/s", ratio, f"at least {least}", ratio.median >= least])
    return table(["what", "measured", "bar", "kept"], rows) + f"\n{report.source()}\n"
