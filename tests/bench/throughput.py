"""Webhooks a second and latencies, by the number of connections, server after server in turns."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.bench.files import bytes_of, count_messages, empty_bytes, wait_until_indexed
from tests.bench.load import Result, run_wrk, short_requests
from tests.bench.places import scratch
from tests.bench.plan import MESSAGES_PER_SECOND_MAX, PEAK_CONNECTIONS, Plan
from tests.bench.results import Ceiling, Load, Refused, Spread
from tests.bench.targets import CEILING, SERVICE, TARGETS, Running, Target, running
from tests.bench.watch import Watch

MEMORY_RUN_SECONDS = 3


class Settled(NamedTuple):
    """What was done for the webhooks of a run, what was done behind their answers included."""

    seconds: float
    """From the last answer until there was nothing left to do."""
    cpu_us: float
    """For each webhook."""
    written_bytes: float
    """For each webhook."""


class Run(NamedTuple):
    """One run of wrk against one server, which was started for it."""

    result: Result
    settled: Settled
    stored_bytes: float | None
    start_ms: float


Runs = dict[tuple[Target, int], list[Run]]
"""By the server, and the number of connections."""


def measure_throughput(plan: Plan, watch: Watch) -> tuple[list[Load], list[Refused]]:
    """Every server at every number of connections."""
    requests = requests_for(plan, watch)
    runs: Runs = {key: [] for key in product(TARGETS, plan.connections)}
    with watch.part("throughput", plan.rounds * len(runs)) as begin:
        # The server changes fastest: what drifts, drifts for all of them.
        for number, connections, target in product(range(plan.rounds), plan.connections, TARGETS):
            begin(f"{target.label}, {connections} connections, round {number + 1}")
            runs[target, connections].append(run(target, requests, connections, plan.seconds))
    return split(runs)


def measure_ceiling(plan: Plan, watch: Watch) -> Ceiling:
    """The ratio of the service to the ceiling, pair by pair, and the service's memory."""
    requests = requests_for(plan, watch)
    pair = (CEILING, SERVICE)
    runs: Runs = {(target, PEAK_CONNECTIONS): [] for target in pair}
    with watch.part("against the ceiling", plan.pairs * 2 + 1) as begin:
        for number, target in product(range(plan.pairs), pair):
            begin(f"{target.label}, pair {number + 1}")
            key = target, PEAK_CONNECTIONS
            runs[key].append(run(target, requests, PEAK_CONNECTIONS, plan.seconds))
        begin(f"memory after {plan.memory_messages:,} messages")
        memory = measure_memory(requests, plan.memory_messages)
    loads, refused = split(runs)
    if refused:
        raise SystemExit(f"Not every answer was 200, so there is no figure: {refused}")
    ceiling, service = loads
    pairs = zip(service.requests_per_second.runs, ceiling.requests_per_second.runs, strict=True)
    ratio = Spread.of([stored / answered for stored, answered in pairs])
    return Ceiling(
        PEAK_CONNECTIONS, plan.seconds, service, ceiling, ratio, plan.memory_messages, memory
    )


def requests_for(plan: Plan, watch: Watch) -> Path:
    """Enough webhooks for the longest run of `plan` on one database, without a repetition."""
    for_run = plan.seconds * MESSAGES_PER_SECOND_MAX
    for_memory = 0
    if "ceiling" in plan.parts:
        for_memory = plan.memory_messages + MEMORY_RUN_SECONDS * MESSAGES_PER_SECOND_MAX
    return short_requests(max(for_run, for_memory), watch)


def run(target: Target, requests: Path, connections: int, seconds: int) -> Run:
    """Start `target` on an empty database, load it, and stop it."""
    with scratch() as folder:
        database = folder / "app.db"
        with running(target, database) as server:
            result = run_wrk(requests, server.port, connections, seconds)
            settled = settle(server, database, result)
        stored = stored_bytes(database, result) if target.stores else None
    return Run(result, settled, stored, server.start_seconds * 1_000)


def settle(server: Running, database: Path, result: Result) -> Settled:
    """Wait for what the server still does for the messages that it has answered, and add up."""
    settle_seconds = wait_until_indexed(database)
    requests = max(1, result.requests)  # a run without one is refused later
    return Settled(
        settle_seconds,
        server.cpu_seconds() / requests * 1e6,
        server.written_bytes() / requests,
    )


def stored_bytes(database: Path, result: Result) -> float:
    """What a message takes in the files of a stopped server that were empty before.

    Raises SystemExit where there are fewer messages than were answered with 200.
    """
    messages = count_messages(database)
    if messages < result.requests - result.errors:
        raise SystemExit(f"{messages} messages are stored, and {result.requests} were answered")
    return (bytes_of(database) - empty_bytes(database)) / messages


def measure_memory(requests: Path, messages: int) -> float:
    """The most memory, in MiB, that the service held while it took so many messages."""
    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        sent, position = 0, 0
        while sent < messages:
            result = run_wrk(requests, server.port, PEAK_CONNECTIONS, MEMORY_RUN_SECONDS, position)
            if result.errors or result.wraps:
                raise SystemExit("Not every message was new and answered with 200: no figure.")
            sent, position = sent + result.requests, result.position
        return server.resident_mebibytes()


def split(runs: Runs) -> tuple[list[Load], list[Refused]]:
    """The figures, and the runs that gave none: those in which not every answer was 200."""
    loads, refused = [], []
    for (target, connections), of_key in runs.items():
        good = [run for run in of_key if not is_bad(target, run.result)]
        if good:
            loads.append(_load(target, connections, good))
        if errors := [run.result.errors for run in of_key if is_bad(target, run.result)]:
            refused.append(Refused(target.name, connections, errors))
    return loads, refused


def is_bad(target: Target, result: Result) -> bool:
    """Whether a run is no figure."""
    return result.errors > 0 or (target.stores and result.wraps > 0)


def _load(target: Target, connections: int, runs: Sequence[Run]) -> Load:
    results = [run.result for run in runs]
    stored = [run.stored_bytes for run in runs if run.stored_bytes is not None]
    return Load(
        target=target.name,
        connections=connections,
        requests_per_second=Spread.of([result.requests_per_second for result in results]),
        p50_ms=Spread.of([result.p50_ms for result in results]),
        p95_ms=Spread.of([result.p95_ms for result in results]),
        p99_ms=Spread.of([result.p99_ms for result in results]),
        max_ms=Spread.of([result.max_ms for result in results]),
        cpu_us=Spread.of([run.settled.cpu_us for run in runs]),
        written_bytes=Spread.of([run.settled.written_bytes for run in runs]),
        stored_bytes=Spread.of(stored) if stored else None,
        settle_seconds=Spread.of([run.settled.seconds for run in runs]),
        start_ms=Spread.of([run.start_ms for run in runs]),
    )
