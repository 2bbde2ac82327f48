"""Waits for a database that another program keeps locked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.errors import DatabaseError
from service.store.interface import DatabaseLocked, StoreError

T = TypeVar("T")

LOCKED_SECONDS_MAX = 300
PAUSE_SECONDS = 0.025
"""Between two attempts."""


class Patience:
    """Tries again while the database is locked, until `stop`, or for a limited time."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.is_stopped = False
        self._tell = tell

    def stop(self) -> None:
        """Try nothing again."""
        self.is_stopped = True

    async def use(self, use: Callable[[], Awaitable[T]]) -> T:
        """What `use` returns. A call that finds the database locked has stored nothing."""
        deadline = time.monotonic() + LOCKED_SECONDS_MAX
        was_told = False
        while True:
            try:
                return await use()
            except (DatabaseError, StoreError) as error:
                is_over = self.is_stopped or time.monotonic() > deadline
                if is_over or not is_locked(error):
                    raise
            if not was_told:
                self._tell("the database is locked by another program: waiting for it")
                was_told = True
            await asyncio.sleep(PAUSE_SECONDS)


def is_locked(error: Exception) -> bool:
    """A statement found the database locked, or `open` did."""
    return isinstance(error, DatabaseLocked) or isinstance(error.__cause__, DatabaseLocked)
