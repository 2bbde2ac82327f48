"""How ingest and reads do as the database grows, alone and beside each other."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.bench.client import Client
from tests.bench.databases import Copies, Copy, prepared
from tests.bench.load import Result, long_requests, pacing, run_wrk
from tests.bench.plan import PEAK_CONNECTIONS, Plan
from tests.bench.reads import BARS, SLOW, Kind, find_words, kinds, look_up, slow_paths
from tests.bench.results import Beside, Growth, Ingest, Read, Spread
from tests.bench.sampling import sample, sample_for, sample_in_turns, summarize
from tests.bench.targets import CEILING, SERVICE, Running, Target, running
from tests.bench.throughput import Settled, is_bad, settle
from tests.bench.watch import Watch

NO_STORAGE = -1
EMPTY = 0

PACED_CONNECTIONS = 64
PEAK_SHARE = 0.5
"""Ingest beside reads, as a share of the ingest that the same database takes alone."""

WORDS = 50
"""Different ones that are searched."""

Begin = Callable[[str], None]


class IngestRun(NamedTuple):
    """One run of wrk on one database."""

    result: Result
    settled: Settled
    start_ms: float
    resident_mebibytes: float


def measure_growth(plan: Plan, watch: Watch) -> Growth:
    """Reads of an idle service, then ingest, then both together; each at every size."""
    requests = long_requests(plan.ingest_messages, watch)
    with prepared(plan.sizes, watch) as (copies, sizes):
        idle = _measure_idle(copies, plan, watch)
        ingest = _measure_ingest(requests, copies, plan, watch)
        busy, beside = _measure_busy(ingest, requests, copies, plan, watch)
    return Growth(PEAK_CONNECTIONS, sizes, ingest, idle + busy, beside)


def _measure_idle(copies: Copies, plan: Plan, watch: Watch) -> list[Read]:
    """A service for each database, all of them idle but for the one that is asked."""
    with (
        watch.part("reads, idle", len(plan.sizes) * plan.read_rounds * len(BARS)) as begin,
        ExitStack() as stack,
    ):
        served = {}
        for size in plan.sizes:
            _, client, wanted = stack.enter_context(_served(size, copies.get_held(size)))
            served[size] = client, wanted
        found = sample_in_turns(served, plan, begin)
    return [
        summarize(size, "idle", name, rounds)
        for size, of_size in found.items()
        for name, rounds in of_size.items()
    ]


def _measure_ingest(requests: Path, copies: Copies, plan: Plan, watch: Watch) -> list[Ingest]:
    """Onto every database in turns, and as often onto an empty one and onto none at all."""
    runs: dict[int, list[IngestRun]] = {size: [] for size in (NO_STORAGE, EMPTY, *plan.sizes)}
    with watch.part("ingest", plan.ingest_rounds * len(runs)) as begin:
        for number, size in product(range(plan.ingest_rounds), runs):
            begin(f"{name_of(size)}, round {number + 1}")
            runs[size].append(_ingest(size, copies.get_held(size), requests, plan.seconds))
    good = {size: _good(size, of_size, watch) for size, of_size in runs.items()}
    return [_summarize(size, of_size) for size, of_size in good.items() if of_size]


def _measure_busy(
    ingest: Sequence[Ingest], requests: Path, copies: Copies, plan: Plan, watch: Watch
) -> tuple[list[Read], list[Beside]]:
    reads: list[Read] = []
    beside: list[Beside] = []
    peaks = {found.messages: found.requests_per_second.median for found in ingest}
    steps = len(plan.sizes) * (plan.read_rounds * len(BARS) + 2 * plan.slow_rounds)
    with watch.part("reads beside ingest", steps) as begin:
        for size in plan.sizes:
            if size in peaks:
                ingesting = Ingesting(
                    size, copies.get_held(size), peaks[size] * PEAK_SHARE, requests
                )
                reads += _read_busy(ingesting, plan, begin)
                beside += ingesting.describe()
                copies.drop(size)
    return reads, beside


def _read_busy(ingesting: "Ingesting", plan: Plan, begin: Begin) -> list[Read]:
    size = ingesting.messages
    with _served(size, ingesting.copy) as (server, client, wanted):
        with ingesting.into(server, "mixed"):
            found = sample(client, wanted, plan, begin)
        found[SLOW] = []
        for number in range(plan.slow_rounds):
            begin(f"no reads, round {number + 1}")
            with ingesting.into(server, "none"):
                time.sleep(plan.slow_seconds)
            begin(f"slow searches, round {number + 1}")
            with ingesting.into(server, "slow"):
                found[SLOW] += sample_for(client, slow_paths(), plan.slow_seconds)
    return [summarize(size, "ingest", name, rounds) for name, rounds in found.items()]


@contextmanager
def _served(size: int, copy: Copy) -> Iterator[tuple[Running, Client, list[Kind]]]:
    """The service on a database, a connection to it, and all that can be asked of it."""
    facts = look_up(copy.database)
    with running(SERVICE, copy.database) as server, Client(server.port) as client:
        yield server, client, kinds(size, facts, find_words(client, size, WORDS))


class Ingesting:
    """Messages at a steady rate onto one database, and what became of them, beside what reads."""

    def __init__(self, messages: int, copy: Copy, rate: float, requests: Path) -> None:
        """`rate` is in messages a second."""
        self.messages = messages
        self.copy = copy
        self._rate = rate
        self._requests = requests
        self._results: dict[str, list[Result]] = {}
        self._resident_mebibytes: dict[str, float] = {}

    @contextmanager
    def into(self, server: Running, reads: str) -> Iterator[None]:
        """Send meanwhile, and note how it went; as often as it is called for the same `reads`."""
        sending = (self._requests, server.port, PACED_CONNECTIONS, self._rate, self.copy.position)
        with pacing(*sending) as wrk:
            yield
            result = wrk.stop()
        self.copy.position = result.position
        self._results.setdefault(reads, []).append(result)
        self._resident_mebibytes[reads] = server.resident_mebibytes()

    def describe(self) -> list[Beside]:
        """What became of it, by what was read meanwhile."""
        return [self._describe(reads, results) for reads, results in self._results.items()]

    def _describe(self, reads: str, results: Sequence[Result]) -> Beside:
        return Beside(
            messages=self.messages,
            reads=reads,
            wanted_per_second=self._rate,
            requests_per_second=Spread.of([result.requests_per_second for result in results]),
            p50_ms=Spread.of([result.p50_ms for result in results]),
            p99_ms=Spread.of([result.p99_ms for result in results]),
            max_ms=max(result.max_ms for result in results),
            errors=sum(result.errors for result in results),
            repeated=any(result.wraps > 0 for result in results),
            resident_mebibytes=self._resident_mebibytes[reads],
        )


def name_of(size: int) -> str:
    """A database, in words."""
    return {NO_STORAGE: "no storage", EMPTY: "empty"}.get(size, f"{size:,} messages")


def _ingest(size: int, copy: Copy, requests: Path, seconds: int) -> IngestRun:
    with running(_target(size), copy.database) as server:
        result = run_wrk(requests, server.port, PEAK_CONNECTIONS, seconds, copy.position)
        copy.position = result.position
        return IngestRun(
            result,
            settle(server, copy.database, result),
            server.start_seconds * 1_000,
            server.resident_mebibytes(),
        )


def _target(size: int) -> Target:
    return CEILING if size == NO_STORAGE else SERVICE


def _good(size: int, runs: list[IngestRun], watch: Watch) -> list[IngestRun]:
    good = [run for run in runs if not is_bad(_target(size), run.result)]
    if len(good) < len(runs):
        watch.say(f"{name_of(size)}: {len(runs) - len(good)} runs are no figure: answers not 200")
    return good


def _summarize(size: int, runs: Sequence[IngestRun]) -> Ingest:
    results = [run.result for run in runs]
    return Ingest(
        messages=size,
        requests_per_second=Spread.of([result.requests_per_second for result in results]),
        p50_ms=Spread.of([result.p50_ms for result in results]),
        p99_ms=Spread.of([result.p99_ms for result in results]),
        cpu_us=Spread.of([run.settled.cpu_us for run in runs]),
        written_bytes=Spread.of([run.settled.written_bytes for run in runs]),
        settle_seconds=Spread.of([run.settled.seconds for run in runs]),
        start_ms=Spread.of([run.start_ms for run in runs]),
        resident_mebibytes=Spread.of([run.resident_mebibytes for run in runs]),
    )
