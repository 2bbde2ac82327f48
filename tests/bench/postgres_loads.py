"""Webhooks a second onto PostgreSQL: beside others, by batches, by processes, by senders."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.load import short_requests
from tests.bench.plan import MESSAGES_PER_SECOND_MAX
from tests.bench.postgres_plan import BATCHES, COMMIT_SECONDS, INSTANCES, Plan
from tests.bench.postgres_requests import SENDERS, ZIPF, requests_of_senders
from tests.bench.postgres_results import PostgresReport, Rate
from tests.bench.postgres_runs import Case, Run, check, run, summarize
from tests.bench.postgres_servers import serving
from tests.bench.targets import FASTAPI_ASYNCPG, POSTGRES_SERVICE, SERVICE
from tests.bench.watch import Watch


def measure_ingest(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """One process on PostgreSQL against one on SQLite, and against what is usually built."""
    requests = _requests(plan, watch)
    with serving(True) as with_trigrams, serving(False) as without:
        cases = [
            Case("sqlite", SERVICE, None, requests),
            Case("trigrams", POSTGRES_SERVICE, with_trigrams, requests),
            Case("plain", POSTGRES_SERVICE, without, requests),
            Case("fastapi", FASTAPI_ASYNCPG, with_trigrams, requests),
        ]
        for case in cases:
            check(case)
        report.ingest = _measure("ingest", cases, plan, watch)


def measure_batches(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """One process with 1, 2 and 4 batches on their way."""
    requests = _requests(plan, watch)
    with serving(True) as server:
        cases = [
            Case(
                str(batches),
                POSTGRES_SERVICE,
                server,
                requests,
                {"BENCH_BATCHES_IN_FLIGHT": str(batches)},
            )
            for batches in BATCHES
        ]
        report.batches = _measure("batches in flight", cases, plan, watch)


def measure_workers(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """One instance and two, on the database, and where a commit is only waited for."""
    count = plan.seconds * MESSAGES_PER_SECOND_MAX
    requests = [requests_of_senders(ZIPF, count, instance, watch) for instance in range(INSTANCES)]
    waiting = {"BENCH_COMMIT_SECONDS": str(COMMIT_SECONDS)}
    with serving(True) as server:
        cases = [
            Case(
                f"{instances}{' waiting' if variables else ''}",
                POSTGRES_SERVICE,
                server,
                requests[:instances],
                variables,
                is_stored=not variables,
            )
            for variables in ({}, waiting)
            for instances in (1, 2)
        ]
        report.workers = _measure("workers", cases, plan, watch)


def measure_senders(report: PostgresReport, plan: Plan, watch: Watch) -> None:
    """Two instances, whose messages are all of one sender, of a few mostly, or each of another."""
    count = plan.seconds * MESSAGES_PER_SECOND_MAX // INSTANCES
    with serving(True) as server:
        cases = [
            Case(
                name,
                POSTGRES_SERVICE,
                server,
                [
                    requests_of_senders(name, count, instance, watch)
                    for instance in range(INSTANCES)
                ],
            )
            for name in SENDERS
        ]
        report.senders = _measure("senders", cases, plan, watch)


def _requests(plan: Plan, watch: Watch) -> list[Path]:
    return [short_requests(plan.seconds * MESSAGES_PER_SECOND_MAX, watch)]


def _measure(title: str, cases: Sequence[Case], plan: Plan, watch: Watch) -> list[Rate]:
    """All cases in turns: what drifts, drifts for all of them."""
    runs: dict[str, list[Run]] = {case.name: [] for case in cases}
    with watch.part(title, plan.rounds * len(cases)) as begin:
        for number in range(plan.rounds):
            for case in cases:
                begin(f"{case.name}, round {number + 1}")
                runs[case.name].append(run(case, plan.seconds))
    return [summarize(name, of_case) for name, of_case in runs.items()]
