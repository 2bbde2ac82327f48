"""How much `just bench postgres` measures."""

from typing import NamedTuple

from tests.bench.quiet import QUIET_SECONDS_MAX

PARTS = ("ingest", "batches", "workers", "senders", "reads")

CONNECTIONS = 128

COMMIT_SECONDS = 0.002
"""What a commit takes that is only waited for: the network's way and the disk of a server that is
another machine."""

BATCHES = (1, 2, 4)
"""On their way at a time."""

INSTANCES = 2
"""Whose messages have the same senders."""


class Plan(NamedTuple):
    """The size of each part."""

    parts: tuple[str, ...]
    quiet_seconds_max: int
    """How long to wait for the machine to become idle."""
    seconds: int
    """Length of a run of wrk."""
    rounds: int
    messages: int
    """In the database that is read."""
    reads: int
    """Requests of each kind."""
    read_rounds: int
    read_seconds_max: float


QUICK = Plan(
    parts=PARTS,
    quiet_seconds_max=0,
    seconds=2,
    rounds=1,
    messages=10_000,
    reads=50,
    read_rounds=2,
    read_seconds_max=0.5,
)

FULL = Plan(
    parts=PARTS,
    quiet_seconds_max=QUIET_SECONDS_MAX,
    seconds=6,
    rounds=5,
    messages=1_000_000,
    reads=600,
    read_rounds=4,
    read_seconds_max=4,
)
