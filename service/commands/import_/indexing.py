"""Has the store index while more is stored, so that neither gets far ahead of the other."""

import asyncio
from collections.abc import Callable, Coroutine

MESSAGES_A_ROUND = 10_000
"""Fewer are not worth a round: the more are indexed together, the less each costs."""

MESSAGES_BEHIND_MAX = 30_000
"""Who reads meanwhile has to look through what is stored and not indexed yet."""


class Indexing:
    """Runs `index_all` in rounds, behind what is stored. `end` it, whatever happens."""

    def __init__(self, index_all: Callable[[], Coroutine[None, None, None]]) -> None:
        self._index_all = index_all
        self._behind = 0
        """So many at most are not indexed: a round also takes what is stored while it runs."""
        self._round: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def add(self, messages: int) -> None:
        """So many more have been stored. Waits where the index is too far behind."""
        if self._round is not None and self._round.done():
            await self._end_round()
        self._behind += messages
        if self._behind >= MESSAGES_BEHIND_MAX:
            await self._end_round()
        if self._round is None and self._behind >= MESSAGES_A_ROUND:
            self._begin_round()

    async def complete(self) -> None:
        """Return when all that was added is indexed, or soon after `stop`."""
        await self._end_round()
        self._begin_round()
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

    def _begin_round(self) -> None:
        if not self._is_stopped:
            self._round = asyncio.create_task(self._index_all())

    async def _end_round(self) -> None:
        """Wait for the round, if there is one; raises what it raised."""
        if self._round is not None:
            await asyncio.wait([self._round])
            ended, self._round, self._behind = self._round, None, 0
            if not ended.cancelled():
                ended.result()
