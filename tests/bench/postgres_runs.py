"""One run of wrk, or of several at once, against a server that stores in a database.

It begins on an empty database and ends when nothing is left to do behind the answers.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import fairness
from tests.bench.files import wait_until_indexed
from tests.bench.load import Result, run_wrk
from tests.bench.places import scratch
from tests.bench.postgres_plan import CONNECTIONS
from tests.bench.postgres_results import Rate
from tests.bench.postgres_servers import DATABASE, checkpoint, cpu_seconds
from tests.bench.results import Spread
from tests.bench.targets import FASTAPI_ASYNCPG, Target, running
from tests.support.postgres.server import Server

MEASURE_TAIL = """
SELECT CAST(greatest(
    (SELECT coalesce(sum(message_count), 0) FROM pending_texts),
    (SELECT coalesce(sum(message_count), 0) FROM pending_counts)
) AS BIGINT) AS message_count
"""
COUNT = "SELECT count(*) AS message_count FROM messages"
POLL_SECONDS = 0.1
DRAIN_SECONDS_MAX = 300


class Case(NamedTuple):
    """Something to measure: a server of HTTP, where it stores, and what varies."""

    name: str
    target: Target
    server: Server | None
    """Of PostgreSQL; None for SQLite."""
    requests: Sequence[Path]
    """A file for each instance, which has a wrk of its own, and its share of the connections."""
    variables: Mapping[str, str] = {}
    is_stored: bool = True
    """Whether its messages go to the database at all."""


class Run(NamedTuple):
    """One run of one case."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    server_cpu_us: float | None
    tail_messages: float | None
    drain_seconds: float


def check(case: Case) -> None:
    """Raises SystemExit where a server refuses less than the contract says, or more."""
    with (
        scratch() as folder,
        _empty_database(case) as variables,
        _instances(case, folder, variables) as (ports, _),
    ):
        if complaints := fairness.complaints(ports[0]):
            raise SystemExit(f"{case.name}: " + "; ".join(complaints))


def run(case: Case, seconds: int) -> Run:
    """Start the instances of `case` on an empty database, load them, and stop them.

    Raises SystemExit where an answer is not 200, or where fewer messages are stored than were
    acknowledged.
    """
    with (
        scratch() as folder,
        _empty_database(case) as variables,
        _instances(case, folder, variables) as (ports, pids),
    ):
        began_server = cpu_seconds(case.server.pid) if case.server else None
        began = sum(map(cpu_seconds, pids))
        results = _load(case.requests, ports, seconds)
        requests_count = sum(result.requests for result in results)
        cpu_us = (sum(map(cpu_seconds, pids)) - began) / requests_count * 1e6
        server_us = None
        if case.server and began_server is not None:
            taken = cpu_seconds(case.server.pid) - began_server
            server_us = taken / requests_count * 1e6
        tail, drain_seconds = _drain(case, _file(folder, 0))
        _refuse_losses(case, results)
    return Run(
        requests_per_second=sum(result.requests_per_second for result in results),
        p50_ms=max(result.p50_ms for result in results),
        p99_ms=max(result.p99_ms for result in results),
        cpu_us=cpu_us,
        server_cpu_us=server_us,
        tail_messages=tail,
        drain_seconds=drain_seconds,
    )


@contextmanager
def _empty_database(case: Case) -> Iterator[dict[str, str]]:
    """The variables of an instance: among them the URL, where the database is no file."""
    variables = dict(case.variables)
    if case.server is None:
        yield variables
        return
    case.server.create_database(DATABASE)
    checkpoint(case.server)
    try:
        yield variables | {"DATABASE_URL": case.server.url(DATABASE)}
    finally:
        case.server.drop_database(DATABASE)


@contextmanager
def _instances(
    case: Case, folder: Path, variables: Mapping[str, str]
) -> Iterator[tuple[list[int], list[int]]]:
    """The ports and the processes of all instances, which answer."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(case.target, _file(folder, number), variables=variables))
            for number in range(len(case.requests))
        ]
        yield [server.port for server in servers], [server.pid for server in servers]


def _file(folder: Path, number: int) -> Path:
    """The database of an instance where it is a file; beside it, in any case, is its log."""
    return folder / f"{number}.db"


def _load(requests: Sequence[Path], ports: Sequence[int], seconds: int) -> list[Result]:
    """A wrk for each port, at the same time."""
    connections = CONNECTIONS // len(ports)

    def load(file: Path, port: int) -> Result:
        return run_wrk(file, port, connections, seconds)

    with ThreadPoolExecutor(len(ports)) as threads:
        return list(threads.map(load, requests, ports))


def _drain(case: Case, database: Path) -> tuple[float | None, float]:
    """What index and counts lacked, and the seconds until they lacked nothing."""
    if case.server is None:
        return None, wait_until_indexed(database)
    if case.target == FASTAPI_ASYNCPG:
        return None, 0
    began, tail = time.monotonic(), _ask(case.server, MEASURE_TAIL)
    left = tail
    while left:
        if time.monotonic() - began > DRAIN_SECONDS_MAX:
            raise SystemExit(f"Index and counts still lack {left:,} after {DRAIN_SECONDS_MAX} s")
        time.sleep(POLL_SECONDS)
        left = _ask(case.server, MEASURE_TAIL)
    return tail, time.monotonic() - began


def _refuse_losses(case: Case, results: Sequence[Result]) -> None:
    if any(result.errors or result.wraps for result in results):
        raise SystemExit(f"{case.name}: not every answer was 200 to a new message: no figure.")
    if case.server is not None and case.is_stored:
        stored, answered = _ask(case.server, COUNT), sum(result.requests for result in results)
        if stored < answered:
            raise SystemExit(f"{stored} messages are stored, and {answered} were answered")


def _ask(server: Server, sql: str) -> int:
    return int(server.admin(sql, DATABASE)[0]["message_count"])


def summarize(name: str, runs: Sequence[Run]) -> Rate:
    """The figures of one case, in the order of its runs."""

    def spread(values: Sequence[float | None]) -> Spread | None:
        known = [value for value in values if value is not None]
        return Spread.of(known) if known else None

    return Rate(
        name=name,
        requests_per_second=Spread.of([run.requests_per_second for run in runs]),
        p50_ms=Spread.of([run.p50_ms for run in runs]),
        p99_ms=Spread.of([run.p99_ms for run in runs]),
        cpu_us=Spread.of([run.cpu_us for run in runs]),
        server_cpu_us=spread([run.server_cpu_us for run in runs]),
        tail_messages=spread([run.tail_messages for run in runs]),
        drain_seconds=spread([run.drain_seconds for run in runs]),
    )
