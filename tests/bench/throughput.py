"""Webhooks a second, latencies and costs, by the number of connections, onto empty databases."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.bench.plan import MESSAGES_PER_SECOND_MAX, PEAK_CONNECTIONS, Plan
from tests.bench.servers.files import bytes_of, count_messages
from tests.bench.servers.processes import CEILING, EVENTS, SERVICE, TARGETS, Target, running
from tests.bench.traffic.load import Figures, Run, load
from tests.bench.traffic.requests import event_requests, short_requests
from tests.measure.figures import Spread
from tests.measure.places import scratch
from tests.measure.turns import run_in_turns
from tests.measure.watch import Watch


class Case(NamedTuple):
    """A server under the webhooks that so many connections can send."""

    target: Target
    connections: int

    def __str__(self) -> str:
        return f"{self.target}, {self.connections} connections"


class Load(Figures, frozen=True, kw_only=True):
    """The figures of one server at one number of connections."""

    target: str
    connections: int
    stored_bytes: Spread | None
    """What a message takes in the database's files, at the end."""


def measure_throughput(plan: Plan, watch: Watch) -> list[Load]:
    """Every server at every number of connections."""
    cases = [
        Case(target, connections) for connections, target in product(plan.connections, TARGETS)
    ]
    return _measure("throughput", cases, plan.turns, plan, watch)


def measure_ceiling(plan: Plan, watch: Watch) -> list[Load]:
    """The ceiling and the service at the peak."""
    cases = [Case(target, PEAK_CONNECTIONS) for target in (CEILING, SERVICE)]
    return _measure("against the ceiling", cases, plan.ceiling_turns, plan, watch)


def measure_events(plan: Plan, watch: Watch) -> list[Load]:
    """The service at the peak, under messages and under the events of a provider."""
    cases = [Case(target, PEAK_CONNECTIONS) for target in (SERVICE, EVENTS)]
    return _measure("messages and events", cases, plan.ceiling_turns, plan, watch)


def _measure(title: str, cases: Sequence[Case], turns: int, plan: Plan, watch: Watch) -> list[Load]:
    count = plan.seconds * MESSAGES_PER_SECOND_MAX
    makers = {EVENTS: event_requests}
    requests = {target: makers.get(target, short_requests)(count, watch) for target, _ in cases}
    stored: dict[Case, list[float]] = {case: [] for case in cases}

    def run(case: Case) -> Run:
        with scratch() as folder:
            database = folder / "app.db"
            with running(case.target, database) as server:
                done = load(server, requests[case.target], case.connections, plan.seconds)
            if case.target.stores:
                stored[case].append(_stored_bytes(case.target, database, done))
        return done

    runs = run_in_turns(title, cases, turns, run, watch)
    return [
        Load.of(
            of,
            target=case.target.name,
            connections=case.connections,
            stored_bytes=Spread.of(stored[case]) if case.target.stores else None,
        )
        for case, of in runs.items()
    ]


def _stored_bytes(target: Target, database: Path, run: Run) -> float:
    """Bytes a message; raises SystemExit if the run is no figure, or a message is not stored."""
    if not run.result.is_good:
        raise SystemExit(f"{target}: not every answer was 200 to a new message: no figure")
    messages = count_messages(database, target is EVENTS)
    if messages < run.result.requests:
        raise SystemExit(f"{target}: stored {messages} of {run.result.requests} messages")
    return bytes_of(database) / messages
