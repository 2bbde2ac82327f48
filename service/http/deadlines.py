"""The two deadlines of a connection: a request must arrive, and its answer must be taken."""

import asyncio
import enum
import logging
import sys
from collections.abc import Callable

HEAD_SECONDS = 10
BODY_SECONDS = 30

TAKE_SECONDS = 30
"""How long a client may take nothing of an answer that waits for it."""


class Phase(enum.Enum):
    """The part of a request that is arriving; the value is its deadline in seconds."""

    HEAD = HEAD_SECONDS
    BODY = BODY_SECONDS


class ArrivalDeadline:
    """Calls its owner when a part of a request does not arrive in time.

    A request that arrives in one piece, as most do, never starts a timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.phase: Phase | None = None
        """The part that is waited for."""

    def start(self, phase: Phase, on_expiry: Callable[[], None]) -> None:
        """Wait for `phase` from now on, and no longer for another.

        Only the timer holds `on_expiry`: a connection must leave no cycle to the garbage collector.
        """
        self.stop()
        self.phase = phase
        self._timer = self._loop.call_later(phase.value, on_expiry)

    def stop(self) -> None:
        """Wait for nothing; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.phase = None


class TakeDeadline:
    """Aborts a connection whose client takes nothing of its answer for TAKE_SECONDS.

    A slow client is not cut off: each byte that it takes renews the deadline. A client that is gone
    is: closing a connection would wait for its unsent bytes.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._logger = logger
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the bytes that wait for the client; they have just become many."""
        self._check(sys.maxsize, 0)

    def stop(self) -> None:
        """Watch no longer; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, bytes_before: int, deadline: float) -> None:
        bytes_now, now = self._transport.get_write_buffer_size(), self._loop.time()
        if bytes_now < bytes_before:
            deadline = now + TAKE_SECONDS
        if now < deadline:
            self._timer = self._loop.call_later(TAKE_SECONDS / 10, self._check, bytes_now, deadline)
        else:
            self._logger.warning("Cut off: the client took nothing for %s s", TAKE_SECONDS)
            self._transport.abort()
