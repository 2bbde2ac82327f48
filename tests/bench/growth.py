"""Ingest and reads as the database grows, alone and beside each other."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from tests.bench.plan import PACED_CONNECTIONS, PEAK_CONNECTIONS, Plan
from tests.bench.servers.databases import Copy, Original, prepare
from tests.bench.servers.files import bytes_of
from tests.bench.servers.processes import CEILING, SERVICE, Running, running
from tests.bench.traffic.client import Client
from tests.bench.traffic.load import Figures, Run, load
from tests.bench.traffic.reads import BARS, SLOW, Kind, find_kinds, slow_paths
from tests.bench.traffic.requests import long_requests
from tests.bench.traffic.sampling import Read, sample_for, sample_in_turns, summarize
from tests.bench.traffic.wrk import Result, pacing
from tests.measure.figures import Spread
from tests.measure.places import scratch
from tests.measure.turns import run_in_turns
from tests.measure.watch import Watch

IDLE, BUSY = "idle", "ingest"
NO_STORAGE = -1
EMPTY = 0

PEAK_SHARE = 0.5
"""Ingest beside reads, as a share of the ingest that the same database takes alone."""

WORN = 1.1
"""A copy that has grown by more than a tenth is no longer of its size."""

REQUESTS_A_SECOND = 250_000
"""Of a run of wrk: enough for all runs onto one copy."""

PATIENT = {"QUERY_TIMEOUT_SECONDS": "60"}
"""What is looked up before anything is measured may be slow."""


class Ingest(Figures, frozen=True, kw_only=True):
    """Webhooks onto a database that held `messages` before; NO_STORAGE is the ceiling."""

    messages: int


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Ingest at a steady rate, and what was asked of the service meanwhile."""

    messages: int
    reads: str
    """"none", "mixed" (every kind in turns) or "slow" (searches that may be slow)."""
    wanted_per_second: float
    requests_per_second: Spread
    p50_ms: Spread
    p99_ms: Spread
    max_ms: float
    errors: int
    resident_mebibytes: float
    """The most that the service has held since its start."""


class Size(msgspec.Struct, frozen=True):
    """A database as it is stored, and how long `import` took to build it."""

    messages: int
    main_bytes: int
    index_bytes: int
    build_seconds: float


class Growth(msgspec.Struct, frozen=True):
    """How the service does as its database grows."""

    databases: list[Size]
    ingest: list[Ingest]
    reads: list[Read]
    beside: list[Beside]


class Copies:
    """Copies to write to, one of each size, in memory."""

    def __init__(self, originals: Mapping[int, Original], folder: Path, watch: Watch) -> None:
        self._originals = originals
        self._folder = folder
        self._watch = watch
        self._copies: dict[int, Copy] = {}

    def get(self, size: int) -> Copy:
        """A copy of about that size, which no process has open."""
        copy, original = self._copies.get(size), self._originals.get(size)
        if copy is None or original is None or _is_worn(copy, original):
            self.drop(size)
            copy = self._copies[size] = Copy(original, self._folder / str(size))
        if original is not None:
            copy.hold(self._watch)
        return copy

    def drop(self, size: int) -> None:
        """Give the disk's space back, and the memory."""
        if (copy := self._copies.pop(size, None)) is not None:
            copy.drop()


def measure_growth(plan: Plan, watch: Watch) -> Growth:
    """Reads of an idle service, then ingest, then both together; each at every size."""
    requests = long_requests(plan.seconds * REQUESTS_A_SECOND, watch)
    originals = {size: prepare(size, watch) for size in plan.sizes}
    with scratch() as folder:
        copies = Copies(originals, folder, watch)
        try:
            asked = {size: _look_up(size, copies.get(size)) for size in plan.sizes}
            reads = _measure_idle(copies, asked, plan, watch)
            ingest = _measure_ingest(requests, copies, plan, watch)
            peaks = {found.messages: found.requests_per_second.median for found in ingest}
            beside: list[Beside] = []
            for size in plan.sizes:
                ingesting = Ingesting(size, copies.get(size), peaks[size] * PEAK_SHARE, requests)
                reads += _measure_busy(ingesting, asked[size], plan, watch)
                beside += ingesting.describe()
                copies.drop(size)
        finally:
            for size in (EMPTY, NO_STORAGE, *plan.sizes):
                copies.drop(size)
    return Growth([_size(original) for original in originals.values()], ingest, reads, beside)


def _look_up(size: int, copy: Copy) -> list[Kind]:
    """All that can be asked of a database."""
    with (
        running(SERVICE, copy.database, variables=PATIENT) as server,
        Client(server.port) as client,
    ):
        return find_kinds(client, size)


def _measure_idle(
    copies: Copies, asked: Mapping[int, list[Kind]], plan: Plan, watch: Watch
) -> list[Read]:
    """A service for each database, all of them idle except the one that is asked."""
    steps = len(asked) * plan.read_turns * len(BARS)
    with watch.part("reads, idle", steps) as begin, ExitStack() as stack:
        served = {}
        for size, kinds in asked.items():
            server = stack.enter_context(running(SERVICE, copies.get(size).database))
            served[size] = stack.enter_context(Client(server.port)), kinds
        found = sample_in_turns(served, plan, begin)
    return [summarize(size, IDLE, name, turns) for (size, name), turns in found.items()]


def _measure_ingest(requests: Path, copies: Copies, plan: Plan, watch: Watch) -> list[Ingest]:
    """Onto every database in turns, and as often onto an empty one and onto none at all."""

    def run(size: int) -> Run:
        copy = copies.get(size)
        with running(CEILING if size == NO_STORAGE else SERVICE, copy.database) as server:
            done = load(server, requests, PEAK_CONNECTIONS, plan.seconds, copy.position)
        if size != NO_STORAGE and not done.result.is_good:
            raise SystemExit(f"Onto {size:,} messages: not every answer was 200: no figure")
        copy.position = done.result.position
        return done

    cases = (NO_STORAGE, EMPTY, *plan.sizes)
    runs = run_in_turns("ingest", cases, plan.turns, run, watch)
    return [Ingest.of(of_size, messages=size) for size, of_size in runs.items()]


def _measure_busy(
    ingesting: "Ingesting", kinds: list[Kind], plan: Plan, watch: Watch
) -> list[Read]:
    size, slow = ingesting.messages, []
    steps = plan.read_turns * len(kinds) + 2 * plan.slow_turns
    with (
        watch.part(f"reads beside ingest, {size:,} messages", steps) as begin,
        running(SERVICE, ingesting.copy.database) as server,
        Client(server.port) as client,
    ):
        with ingesting.into(server, "mixed"):
            found = sample_in_turns({size: (client, kinds)}, plan, begin)
        for turn in range(plan.slow_turns):
            begin(f"no reads, turn {turn + 1}")
            with ingesting.into(server, "none"):
                time.sleep(plan.seconds)
            begin(f"slow searches, turn {turn + 1}")
            with ingesting.into(server, "slow"):
                slow.append(sample_for(client, slow_paths(), plan.seconds))
    reads = [summarize(size, BUSY, name, turns) for (_, name), turns in found.items()]
    return [*reads, summarize(size, BUSY, SLOW, slow)]


class Ingesting:
    """Messages at a steady rate onto one database, and what became of them."""

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
        """Send inside the context, and note how it went; may be called again for these `reads`."""
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
            resident_mebibytes=self._resident_mebibytes[reads],
        )


def _is_worn(copy: Copy, original: Original) -> bool:
    return copy.database.stat().st_size > original.path.stat().st_size * WORN


def _size(original: Original) -> Size:
    main_bytes = original.path.stat().st_size
    index_bytes = bytes_of(original.path) - main_bytes
    return Size(original.messages, main_bytes, index_bytes, original.build_seconds)
