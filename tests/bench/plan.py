"""How much is measured: `quick` for a look, `full` for figures to quote."""

from typing import NamedTuple

from tests.measure.machine import QUIET_SECONDS_MAX

PARTS = ("ceiling", "events", "throughput", "growth", "event_reads")

PEAK_CONNECTIONS = 128
"""For the ratio to the ceiling, the cost and the growth."""

PACED_CONNECTIONS = 64
"""For loads below the peak."""

MESSAGES_PER_SECOND_MAX = 30_000
"""More than any server here takes."""


class Plan(NamedTuple):
    """The size of each part."""

    parts: tuple[str, ...] = PARTS
    quiet_seconds_max: int = QUIET_SECONDS_MAX
    seconds: int = 6
    """Length of a run of wrk."""
    turns: int = 3
    ceiling_turns: int = 5
    connections: tuple[int, ...] = (1, 8, 32, 128, 512)

    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    """Messages that a database holds before anything is measured on it."""
    event_sizes: tuple[int, ...] = (1_000_000, 10_000_000)
    """Events that a database holds; ten million take 16 GB."""
    reads: int = 1_000
    """Requests of each kind."""
    read_turns: int = 5
    read_seconds_max: float = 20
    """What one kind may take; a slow one is asked less often, and its count is told."""
    slow_turns: int = 5
    """Of ingest without reads, and beside searches that may be slow."""


FULL = Plan()
CEILING = Plan(parts=("ceiling",))
QUICK = Plan(
    parts=("events", "throughput", "growth", "event_reads"),
    quiet_seconds_max=0,
    seconds=1,
    turns=1,
    sizes=(10_000, 100_000),
    event_sizes=(100_000,),
    reads=100,
    read_turns=2,
    read_seconds_max=0.5,
    slow_turns=1,
)

PLANS = {"quick": QUICK, "full": FULL, "ceiling": CEILING}
