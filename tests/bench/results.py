"""What a bench found, as it is written to results.json. Every figure comes with its spread."""

import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

_spread_lines = re.compile(rb'\{\s*"median":[^{}]*\}')


class Spread(msgspec.Struct, frozen=True):
    """One figure, measured several times."""

    median: float
    least: float
    most: float
    runs: list[float]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        runs = [float(f"{value:.6g}") for value in values]
        return cls(statistics.median(runs), min(runs), max(runs), runs)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One server under all the webhooks that a number of connections can send."""

    target: str
    connections: int
    requests_per_second: Spread
    p50_ms: Spread
    p95_ms: Spread
    p99_ms: Spread
    max_ms: Spread
    cpu_us: Spread
    """Processor time of the server for a webhook, what is done behind the answer included."""
    written_bytes: Spread
    """What the kernel sent to storage for a webhook, likewise, and the log lines."""
    stored_bytes: Spread | None
    """What the database's files grew by for a webhook, at the end."""
    settle_seconds: Spread
    """From the last answer until nothing was left to do: the index had every message."""
    start_ms: Spread
    """From the start of the process to the first good answer."""


class Refused(msgspec.Struct, frozen=True):
    """Runs in which not every answer was 200: no figure."""

    target: str
    connections: int
    errors: list[int]


class Ceiling(msgspec.Struct, frozen=True):
    """The service against the same server without storage, in pairs of runs."""

    connections: int
    seconds: int
    service: Load
    ceiling: Load
    ratio: Spread
    memory_messages: int
    memory_mebibytes: float
    """The most that the service held while it took `memory_messages`."""


class Cost(msgspec.Struct, frozen=True):
    """What goes to write-ahead logs for a webhook, in bytes."""

    target: str
    connections: int
    wal_bytes: Spread
    """Before it is answered."""
    index_wal_bytes: Spread | None
    """Behind the answer."""


class Ingest(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks onto a database that held `messages` before."""

    messages: int
    """-1 is the ceiling, with the same webhooks."""
    requests_per_second: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_us: Spread
    written_bytes: Spread
    settle_seconds: Spread
    start_ms: Spread
    resident_mebibytes: Spread


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of read on a database of `messages`."""

    messages: int
    name: str
    beside: str
    """"idle", or "ingest" at half its peak."""
    requests: int
    refused: int
    """Answers other than 200, which are in no figure."""
    p50_ms: Spread | None
    """Of all requests, and the least and the most of the rounds that they were sent in."""
    p95_ms: Spread | None
    p99_ms: Spread | None
    max_ms: float
    total: float | None
    """The median of the answers' `total`."""
    ns_per_counted: float | None
    """The median of nanoseconds for each message counted, the page's time included."""
    p99_uncounted_ms: float | None
    """p99 of what is left of the time without 100 ns for each message counted."""


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
    repeated: bool
    """Whether the webhooks ran out, so that some were duplicates."""
    resident_mebibytes: float
    """The most that the service has held since it was started, reads without ingest included."""


class Size(msgspec.Struct, frozen=True):
    """A database as it is stored."""

    messages: int
    main_bytes: int
    index_bytes: int
    build_seconds: float


class Growth(msgspec.Struct, frozen=True):
    """How the service does as its database grows."""

    connections: int
    databases: list[Size]
    ingest: list[Ingest]
    reads: list[Read]
    beside: list[Beside]


class Measured(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where, when and with what a report was measured; its parts are further fields."""

    command: str
    began_at: str
    seconds: float
    machine: dict[str, str]
    versions: dict[str, str]
    commit: str
    load_average: list[float]
    """Of one minute: before the bench began, and when it had ended."""
    sync_us: Spread
    """One append of 4 KiB and its fdatasync, where the databases are."""
    run_seconds: int
    measured_again: dict[str, str] = {}
    """By part that was measured later than the rest: when, and the commit."""

    def replace_part(self, part: str, later: Self) -> None:
        """Put one part of a later report in place of this one's."""
        setattr(self, part, getattr(later, part))
        self.measured_again[part] = f"{later.began_at[:10]}, commit {later.commit}"


class Report(Measured):
    """All that `just bench full` finds."""

    ceiling: Ceiling | None = None
    throughput: list[Load] = []
    refused: list[Refused] = []
    cost: list[Cost] = []
    growth: Growth | None = None


def save(report: Report, file: Path) -> None:
    """Write results.json: a line for each figure."""
    write(msgspec.json.encode(report), file)


def write(report: bytes, file: Path) -> None:
    """Write JSON with a line for each figure."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(report, indent=1)
    file.write_bytes(_spread_lines.sub(_on_one_line, text) + b"\n")


def load(file: Path) -> Report:
    """Read results.json."""
    return msgspec.json.decode(file.read_bytes(), type=Report)


def _on_one_line(spread: re.Match[bytes]) -> bytes:
    return msgspec.json.format(spread[0], indent=0)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that is not below `percent` of them."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
