"""How much is measured: `quick` for a look, `full` for figures to quote."""

from typing import NamedTuple

from tests.bench.quiet import QUIET_SECONDS_MAX

PARTS = ("ceiling", "throughput", "cost", "growth")


class Plan(NamedTuple):
    """The size of each part."""

    parts: tuple[str, ...]
    quiet_seconds_max: int
    """How long to wait for the machine to become idle."""
    seconds: int
    """Length of a run of wrk."""

    pairs: int
    """Of runs, service and ceiling, at 128 connections."""
    memory_messages: int

    connections: tuple[int, ...]
    rounds: int
    """How often each server is measured at each number of connections."""

    cost_rounds: int

    sizes: tuple[int, ...]
    """Messages that a database holds before anything is measured on it."""
    ingest_rounds: int
    ingest_messages: int
    """More than one database is sent."""
    reads: int
    """Requests of each kind."""
    read_rounds: int
    read_seconds_max: float
    """What one kind may take; a slow one is asked less often, and its count is told."""
    slow_seconds: int
    """How long ingest runs without reads, and then beside searches that may be slow."""
    slow_rounds: int
    """How often it does both."""


PEAK_CONNECTIONS = 128
"""At which the ratio to the ceiling, the cost and the growth are measured."""

MESSAGES_PER_SECOND_MAX = 30_000
"""More than any server here takes."""

QUICK = Plan(
    parts=("throughput", "cost", "growth"),
    quiet_seconds_max=0,
    seconds=1,
    pairs=1,
    memory_messages=20_000,
    connections=(1, 8, 32, 128, 512),
    rounds=1,
    cost_rounds=1,
    sizes=(10_000, 100_000),
    ingest_rounds=1,
    ingest_messages=150_000,
    reads=100,
    read_rounds=2,
    read_seconds_max=0.5,
    slow_seconds=2,
    slow_rounds=1,
)

FULL = Plan(
    parts=PARTS,
    quiet_seconds_max=QUIET_SECONDS_MAX,
    seconds=6,
    pairs=5,
    memory_messages=200_000,
    connections=(1, 8, 32, 128, 512),
    rounds=3,
    cost_rounds=3,
    sizes=(10_000, 100_000, 1_000_000, 10_000_000),
    ingest_rounds=3,
    ingest_messages=1_500_000,
    reads=1_000,
    read_rounds=5,
    read_seconds_max=20,
    slow_seconds=6,
    slow_rounds=5,
)

CEILING = FULL._replace(parts=("ceiling",))

PLANS = {"quick": QUICK, "full": FULL, "ceiling": CEILING}
