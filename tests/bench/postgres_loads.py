"""Webhooks a second onto PostgreSQL: against others, by batches in flight, by processes, by senders.

Each run begins on an empty database and ends when nothing is left to do behind the answers.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.files import wait_until_indexed
from tests.bench.load import Result, requests_of_senders, run_wrk, short_requests
from tests.bench.places import scratch
from tests.bench.plan import MESSAGES_PER_SECOND_MAX
from tests.bench.postgres_plan import COMMIT_SECONDS, CONNECTIONS, Plan
from tests.bench.postgres_results import PostgresReport, Rate
from tests.bench.postgres_servers import DATABASE, checkpoint, cpu_seconds, serving
from tests.bench.results import Spread
from tests.bench.targets import FASTAPI_ASYNCPG, POSTGRES_SERVICE, SERVICE, Target, running
from tests.bench.watch import Watch
from tests.postgres.server import Server

MEASURE_TAIL = """
SELECT CAST(greatest(
    (SELECT coalesce(sum(message_count), 0) FROM unsearched),
    (SELECT coalesce(sum(message_count), 0) FROM uncounted)
) AS BIGINT) AS message_count
"""
COUNT = "SELECT count(*) AS message_count FROM messages"
POLL_SECONDS = 0.1
DRAIN_SECONDS_MAX = 300

INSTANCES = 2
BATCHES = (1, 2, 4)

ONE_SENDER = "one sender"
SENDERS = {ONE_SENDER: 1, "senders by Zipf's law": 0, "a sender a message": None}
"""By name: how many, 0 for those of `dataset`, None for as many as there are messages."""


class Case(NamedTuple):
    """Something to measure: a server of HTTP, where it stores, and what varies."""

    name: str
    target: Target
    server: Server | None
    """Of PostgreSQL; None for SQLite."""
    variables: Mapping[str, str] = {}
    is_stored: bool = True
    """Whether its messages go to the database at all."""
    instances: int = 1
    """Each with a wrk of its own, which has its share of the connections."""


class Run(NamedTuple):
    """One run of one case."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    server_cpu_us: float | None
    tail_messages: float | None
    drain_seconds: float


def measure_ingest(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """One process on PostgreSQL against one on SQLite, and against what is usually built."""
    requests = _requests(plan, watch)
    with serving(True) as with_trigrams, serving(False) as without:
        cases = [
            Case("sqlite", SERVICE, None),
            Case("trigrams", POSTGRES_SERVICE, with_trigrams),
            Case("plain", POSTGRES_SERVICE, without),
            Case("fastapi", FASTAPI_ASYNCPG, with_trigrams),
        ]
        report.ingest = _measure("ingest", cases, [requests], plan, watch)


def measure_batches(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """One process with 1, 2 and 4 batches on their way."""
    with serving(True) as server:
        cases = [
            Case(
                str(batches),
                POSTGRES_SERVICE,
                server,
                {"BENCH_BATCHES_IN_FLIGHT": str(batches)},
            )
            for batches in BATCHES
        ]
        report.batches = _measure("batches in flight", cases, [_requests(plan, watch)], plan, watch)


def measure_workers(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """One process and two, on the database, and where a commit is only waited for."""
    waiting = {"BENCH_COMMIT_SECONDS": str(COMMIT_SECONDS)}
    with serving(True) as server:
        cases = [
            Case(
                f"{workers}{' simulated' if variables else ''}",
                POSTGRES_SERVICE,
                server,
                {"WORKERS": str(workers), **variables},
                is_stored=not variables,
            )
            for variables in ({}, waiting)
            for workers in (1, 2)
        ]
        report.workers = _measure("workers", cases, [_requests(plan, watch)], plan, watch)


def measure_senders(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """Two instances, whose messages are all of one sender, of a few mostly, or each of another."""
    count = plan.seconds * MESSAGES_PER_SECOND_MAX // INSTANCES
    found = []
    with serving(True) as server:
        files = {
            name: [
                requests_of_senders(count, senders, number, watch) for number in range(INSTANCES)
            ]
            for name, senders in SENDERS.items()
        }
        runs: dict[str, list[Run]] = {name: [] for name in SENDERS}
        with watch.part("senders", plan.rounds * len(SENDERS)) as begin:
            for number in range(plan.rounds):
                for name in SENDERS:
                    begin(f"{name}, round {number + 1}")
                    case = Case(name, POSTGRES_SERVICE, server, instances=INSTANCES)
                    runs[name].append(run(case, files[name], plan.seconds))
        found = [_rate(name, of_name) for name, of_name in runs.items()]
    report.senders = found


def _requests(plan: Plan, watch: Watch) -> Path:
    return short_requests(plan.seconds * MESSAGES_PER_SECOND_MAX, watch)


def _measure(
    title: str, cases: Sequence[Case], requests: Sequence[Path], plan: Plan, watch: Watch
) -> list[Rate]:
    """All cases in turns: what drifts, drifts for all of them."""
    runs: dict[str, list[Run]] = {case.name: [] for case in cases}
    with watch.part(title, plan.rounds * len(cases)) as begin:
        for number in range(plan.rounds):
            for case in cases:
                begin(f"{case.name}, round {number + 1}")
                runs[case.name].append(run(case, requests, plan.seconds))
    return [_rate(name, of_case) for name, of_case in runs.items()]


def run(case: Case, requests: Sequence[Path], seconds: int) -> Run:
    """Start the instances of `case` on an empty database, load them, and stop them.

    `requests` has a file an instance. Raises SystemExit where an answer is not 200, or where fewer
    messages are stored than were acknowledged.
    """
    with scratch() as folder, _empty_database(case, folder) as variables:
        ports, pids = [], []
        with _instances(case, folder / "app.db", variables) as (ports, pids):
            began_server = cpu_seconds(case.server.pid) if case.server else None
            began = sum(map(cpu_seconds, pids))
            results = _load(requests, ports, seconds)
            requests_count = sum(result.requests for result in results)
            cpu_us = (sum(map(cpu_seconds, pids)) - began) / requests_count * 1e6
            server_us = tail = None
            if case.server and began_server is not None:
                taken = cpu_seconds(case.server.pid) - began_server
                server_us = taken / requests_count * 1e6
            tail, drain_seconds = _drain(case, folder / "app.db")
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
