"""How much to store at once, and for how long to leave the database alone then.

SQLite lets one connection write at a time, and nobody queues: who finds it locked sleeps and looks
again, after 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50 and from then on every 100 ms (sqlite3.c,
sqliteDefaultBusyCallback). A running service that met one short transaction of ours therefore looks
again within 25 ms; so long we stay away, and it gets its turn after each of ours.

PostgreSQL lets everybody write at once: there the pauses leave processor and disk to webhooks.
"""

from collections import deque

BATCH_SECONDS = 0.02
"""How long a webhook may find the database locked."""

PAUSE_SECONDS = 0.025

BATCH_LINES_FIRST = 500
BATCH_LINES_MIN, BATCH_LINES_MAX = 100, 20_000

COSTS_KEPT = 16
"""The least of so many counts: what a batch takes longer was spent in waiting for others."""


class Pace:
    """Learns from each batch how large the next ones should be."""

    def __init__(self) -> None:
        self.batch_lines = BATCH_LINES_FIRST
        self._costs: deque[float] = deque(maxlen=COSTS_KEPT)

    def learn(self, lines: int, seconds: float) -> None:
        """A batch of `lines` took `seconds`."""
        self._costs.append(seconds / lines)
        wanted = int(BATCH_SECONDS / min(self._costs))
        self.batch_lines = min(max(wanted, BATCH_LINES_MIN), BATCH_LINES_MAX)
