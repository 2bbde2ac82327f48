"""One run of wrk against a server that has just been started, and what the run cost."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from tests.bench.servers.processes import Running, cpu_seconds
from tests.bench.traffic.wrk import Result, run_wrk
from tests.measure.figures import Spread

WINDOW_SECONDS = 0.25
IDLE_SHARE = 0.1
SETTLE_SECONDS_MAX = 300


class Run(NamedTuple):
    """The figures of one run. Costs include what the server does after its last answer."""

    result: Result
    cpu_us: float
    """Processor time of the server for a webhook."""
    written_bytes: float
    """What the kernel sent to storage for a webhook, the server's log lines included."""
    settle_seconds: float
    """From the last answer until the server was idle: its index had every message."""
    start_ms: float
    """From the start of the process to the first good answer."""
    resident_mebibytes: float
    """The most memory that the process held."""

    def figures(self) -> dict[str, Any]:
        """All of them by name, those of wrk included."""
        rate = {"requests_per_second": self.result.requests_per_second}
        return self.result._asdict() | rate | self._asdict()


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one case, in the order of the turns. A subclass says which case."""

    requests_per_second: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_us: Spread
    written_bytes: Spread
    settle_seconds: Spread
    start_ms: Spread
    resident_mebibytes: Spread | None = None

    @classmethod
    def of(cls, runs: Sequence[Run], **case: Any) -> Self:
        """The figures of the runs, and the fields that say which case they are of."""
        found = [run.figures() for run in runs]
        names = Figures.__struct_fields__
        return cls(**case, **{name: Spread.of([each[name] for each in found]) for name in names})


def load(
    server: Running,
    requests: Path,
    connections: int,
    seconds: int,
    position: int = 0,
    rate: float = 0,
) -> Run:
    """Send the requests as `run_wrk` does, and wait until the server has nothing left to do."""
    result = run_wrk(requests, server.port, connections, seconds, position, rate)
    settle_seconds = settle(server.pid)
    count = max(1, result.requests)
    return Run(
        result,
        server.cpu_seconds() / count * 1e6,
        server.written_bytes() / count,
        settle_seconds,
        server.start_seconds * 1_000,
        server.resident_mebibytes(),
    )


def settle(*pids: int) -> float:
    """Wait until processes take no processor time; gives the seconds until then."""
    began = time.monotonic()
    while (now := time.monotonic()) - began < SETTLE_SECONDS_MAX:
        before = sum(map(cpu_seconds, pids))
        time.sleep(WINDOW_SECONDS)
        if sum(map(cpu_seconds, pids)) - before <= WINDOW_SECONDS * IDLE_SHARE:
            return now - began
    raise SystemExit(f"The servers are still busy after {SETTLE_SECONDS_MAX} s")
