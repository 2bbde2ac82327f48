"""Keeps the counts and the index of texts a moment behind the messages.

A webhook does not wait for them: a batch is stored with a note of what it brought, and the notes
are taken into the counts and into the index afterwards, some at a time, by whichever instance comes
first. Reads add what the notes hold.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from service.store.interface import StoreError
from service.store.postgres.connection import Session
from service.store.postgres.pool import Pool
from service.store.queries import PostgresQueries
from service.telemetry.logs import format_exception

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""How often it looks for notes: the more of them a pass takes, the less each costs."""

BATCHES_A_COUNT = 500
BATCHES_AN_INDEXING = 50
"""Of up to ingest.BATCH_MESSAGES_MAX messages each. A short text costs the server some 25 µs in a
pass of thousands, and 35 µs in one of hundreds."""

REST = 1.0
"""For each second that it indexes texts it rests as long, so that webhooks get the processor."""

SIZE_SECONDS = 30
"""How often it asks for the database's size: the server looks at every file."""

STATEMENT_SECONDS = 30
CLOSE_SECONDS = 1


class Taken(NamedTuple):
    """What one pass took out of the notes."""

    messages: int
    batches: int


class Indexer:
    """The task of one instance. `start` it, `close` it."""

    def __init__(self, pool: Pool, queries: PostgresQueries) -> None:
        self._pool = pool
        self._queries = queries
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._messages_behind = self._database_bytes = 0
        self._measured_at = float("-inf")
        self.has_texts = False
        """Whether the database has an index of texts."""
        self.trouble: str | None = None
        """Why counts and index do not follow, while they do not."""

    def start(self) -> None:
        """Begin to follow; needs a running event loop."""
        self._task = asyncio.create_task(self._follow(), name="indexer")

    def messages_behind(self) -> int:
        """How many messages, when it last looked, were not in the counts, or not in the index."""
        return self._messages_behind

    def database_bytes(self) -> int:
        """How large the database was when it last looked."""
        return self._database_bytes

    async def index_all(self) -> None:
        """Return when what is stored by now is in the counts and in the index."""
        for take, note in ((self._count, "pending_counts"), (self._index, "pending_texts")):
            left = (await self._run(self._read_pending))[note]
            while left > 0:
                taken = (await self._run(take)).messages
                if not taken:  # another instance has the rest in hand
                    await asyncio.sleep(LOOK_SECONDS)
                    taken = left - min(left, (await self._run(self._read_pending))[note])
                left -= taken

    async def close(self) -> None:
        """Stop, after the pass in hand where that is short; safe to call twice."""
        self._closing.set()
        if self._task is not None:
            _, late = await asyncio.wait((self._task,), timeout=CLOSE_SECONDS)
            for task in late:  # what it has in hand is undone, and left to others
                task.cancel()

    async def _follow(self) -> None:
        while not self._closing.is_set():
            started, is_more = time.monotonic(), False
            try:
                is_more = await self._catch_up()
                self.trouble = None
            except StoreError as error:
                # The next look tries again: reads stay right meanwhile, and get slower with every
                # note. The readiness probe tells.
                self.trouble = str(error)
            except Exception as error:
                self.trouble = format_exception(error)
            await self._rest(REST * (time.monotonic() - started) if is_more else LOOK_SECONDS)

    async def _catch_up(self) -> bool:
        """One pass over both kinds of notes; whether more are left than it takes.

        One and no more, even where notes are left: at its peak ingest brings them as fast as the
        counts take them, and then the index would wait for ever.
        """
        counted, indexed = await self._run(self._count), await self._run(self._index)
        self._messages_behind = max((await self._run(self._read_pending)).values())
        if time.monotonic() - self._measured_at > SIZE_SECONDS:
            self._measured_at = time.monotonic()
            with suppress(StoreError):  # not every relative of PostgreSQL can say
                self._database_bytes = await self._run(self._measure_size)
        return counted.batches == BATCHES_A_COUNT or indexed.batches == BATCHES_AN_INDEXING

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _run(self, step: Callable[[Session], Awaitable[T]]) -> T:
        return await self._pool.run(STATEMENT_SECONDS, step)

    async def _count(self, session: Session) -> Taken:
        """Add some batches to the counts; none where none is left, or others do it."""
        async with session.transaction():
            if not await session.fetch(self._queries.lock_totals):
                return Taken(0, 0)
            limit = {"limit": BATCHES_A_COUNT}
            rows = await session.fetch(self._queries.apply_pending_counts, limit)
        return Taken(*rows[0]) if rows else Taken(0, 0)

    async def _index(self, session: Session) -> Taken:
        """Take the texts of some batches into the index of texts."""
        if not self.has_texts:
            return await self._discard(session)
        limit = {"limit": BATCHES_AN_INDEXING}
        rows = await session.fetch(self._queries.apply_pending_texts, limit)
        return Taken(*rows[0])

    async def _discard(self, session: Session) -> Taken:
        """Take away what is noted for an index of texts, unless another instance has made one."""
        async with session.transaction():
            if not await session.fetch(self._queries.lock_totals):
                return Taken(0, 0)
            (row,) = await session.fetch(self._queries.discard_pending_texts)
        self.has_texts, *taken = row
        return Taken(*taken)

    async def _read_pending(self, session: Session) -> dict[str, int]:
        (row,) = await session.fetch(self._queries.read_pending)
        return dict(row)

    async def _measure_size(self, session: Session) -> int:
        return int((await session.fetch(self._queries.read_size))[0][0] or 0)
