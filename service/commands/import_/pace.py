"""How many lines to store at once, and how long to pause afterwards.

SQLite has one writer at a time and no queue. A connection that finds the database locked sleeps and
looks again after 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, and then every 100 ms (sqlite3.c,
sqliteDefaultBusyCallback). After one short transaction of an import, a running service looks again
within 25 ms. The import pauses for so long, and the service writes after each batch.

PostgreSQL has many writers. There the pauses leave processor and disk to webhooks.
"""

from collections import deque

BATCH_SECONDS = 0.02
"""How long a webhook may find the database locked."""

PAUSE_SECONDS = 0.025

BATCH_LINES_FIRST = 500
BATCH_LINES_MIN, BATCH_LINES_MAX = 100, 20_000

COSTS_KEPT = 16
"""The cheapest of so many batches counts: the others waited for locks."""


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
