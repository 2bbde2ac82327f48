"""Has the store index while more is stored, so that neither gets far ahead of the other."""

import asyncio
from collections.abc import Callable, Coroutine

MESSAGES_A_ROUND = 10_000
"""Many at a time cost less each; but at most twice as many are stored and not indexed yet, and who
reads meanwhile has to look through all those."""


class Indexing:
    """Runs `index_all` in rounds, behind what is stored. `end` it, whatever happens."""

    def __init__(self, index_all: Callable[[], Coroutine[None, None, None]]) -> None:
        self._index_all = index_all
        self._messages = 0
        self._round: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def add(self, messages: int) -> None:
        """So many more have been stored. Waits where the index is too far behind."""
        self._messages += messages
        if self._messages >= MESSAGES_A_ROUND:
            await self._begin_round()

    async def complete(self) -> None:
        """Return when all that was added is indexed, or soon after `stop`."""
        await self._begin_round()
        await self._end_round()

    def stop(self) -> None:
        """Index no more, and wait for nothing: who opens the store next goes on with it."""
        self._is_stopped = True
        if self._round is not None:
            self._round.cancel()

    async def end(self) -> None:
        """Return when nothing is running any more."""
        self.stop()
        if self._round is not None:
            await asyncio.wait([self._round])

    async def _begin_round(self) -> None:
        await self._end_round()
        if not self._is_stopped:
            self._messages = 0
            self._round = asyncio.create_task(self._index_all())

    async def _end_round(self) -> None:
        """Wait for the round, if there is one; raises what it raised."""
        if self._round is not None:
            await asyncio.wait([self._round])
            if not self._round.cancelled():
                self._round.result()
