"""One of the workers, as the supervisor sees it."""

import os
import socket
from contextlib import suppress

from service.errors import StartError
from service.http.sockets import rebind

STEADY_SECONDS = 10.0
"""A worker that has lived so long is started anew at once, whatever became of those before it."""

DELAY_SECONDS = 0.5
DELAY_SECONDS_MAX = 30.0
"""How long the next start waits for a worker that ends soon after its start, again and again."""


class Worker:
    """One worker: the process that is it now, if there is one, and what became of the last."""

    def __init__(self, number: int, sockets: list[socket.socket]) -> None:
        self.number = number
        self.sockets = sockets
        self.pid: int | None = None
        self.reports = -1
        self.starts = 0
        self.started_at = 0.0
        self.start_at = 0.0
        self.early_ends = 0
        self.processor_seconds = 0.0

    @property
    def row(self) -> int:
        return self.number - 1

    def has_lived(self, now: float) -> bool:
        """Whether its process has come further than its start."""
        return now - self.started_at >= STEADY_SECONDS

    def delay_start(self, now: float) -> float:
        """Decide when it is started anew; gives the delay in seconds."""
        if self.has_lived(now):
            self.early_ends = 0
            delay = 0.0
        else:
            delay = min(DELAY_SECONDS * 2**self.early_ends, DELAY_SECONDS_MAX)
            self.early_ends += 1
        self.start_at = now + delay
        return delay

    def take_report(self) -> str:
        """What the process that has ended wrote of why it did not start."""
        with os.fdopen(self.reports, "rb") as reports:
            return reports.read().decode()

    def leave_port(self) -> None:
        """Have new connections go to the others, until it listens again."""
        for index, bound in enumerate(self.sockets):
            with suppress(StartError):  # it keeps the one it has
                self.sockets[index] = rebind(bound)
