"""Keeps the counts and the index of texts up to date, a moment after the messages.

A batch is stored together with a row in `pending_counts` and one in `pending_texts`. This task, in
every instance, applies the pending batches later, so no webhook waits for it. Reads add what is
pending.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from service.store.interface import StoreError, Warn
from service.store.postgres.connection import Connection
from service.store.postgres.pool import Pool
from service.store.queries import PostgresQueries
from service.telemetry.logs import format_exception

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""How often it looks for pending batches. The more of them it applies together, the less each
costs."""

COUNTED_BATCHES_MAX = 500
INDEXED_BATCHES_MAX = 50
"""How many batches it applies at a time; each has up to ingest.BATCH_MESSAGES_MAX messages. A short
text costs the server 25 µs among thousands, and 35 µs among hundreds."""

REST = 1.0
"""After each second of work it rests this many seconds, so that webhooks get the processor."""

SIZE_SECONDS = 30
"""How often it asks for the size of the database. The server looks at every file for it."""

STATEMENT_SECONDS = 30
CLOSE_SECONDS = 1


class Applied(NamedTuple):
    """What one statement has applied."""

    messages: int
    batches: int


class Indexer:
    """The background task of one instance. `start` it, `close` it."""

    def __init__(self, pool: Pool, queries: PostgresQueries, warn: Warn) -> None:
        self._pool = pool
        self._queries = queries
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._messages_behind = self._database_bytes = 0
        self._measured_at = float("-inf")
        self.has_texts = False
        """Whether the database has an index of texts. Another instance may make it at any time."""
        self._warn = warn
        self._trouble: str | None = None
        """Why nothing is applied at the moment."""

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.create_task(self._follow(), name="indexer")

    def messages_behind(self) -> int:
        """How many messages the counts or the index lacked at the last look."""
        return self._messages_behind

    def database_bytes(self) -> int:
        """The size of the database at the last look."""
        return self._database_bytes

    async def index_all(self) -> None:
        """Return when everything stored by now is in the counts and in the index."""
        for apply, column in (
            (self._apply_counts, "pending_counts"),
            (self._apply_texts, "pending_texts"),
        ):
            left = (await self._run(self._count_unindexed))[column]
            while left > 0:
                done = (await self._run(apply)).messages
                if not done:  # another instance is applying the rest
                    await asyncio.sleep(LOOK_SECONDS)
                    done = left - min(left, (await self._run(self._count_unindexed))[column])
                left -= done

    async def close(self) -> None:
        """Stop, after the statement under way if it is short; safe to call twice."""
        self._closing.set()
        if self._task is not None:
            _, late = await asyncio.wait((self._task,), timeout=CLOSE_SECONDS)
            for task in late:  # its statement is undone, and another instance repeats it
                task.cancel()

    async def _follow(self) -> None:
        while not self._closing.is_set():
            started, is_more = time.monotonic(), False
            try:
                is_more = await self._catch_up()
                self._trouble = None
            except Exception as error:
                # The next look tries again. Until then reads stay right, and get slower with every
                # pending batch.
                is_known = isinstance(error, StoreError)
                self._note(str(error) if is_known else format_exception(error))
            await self._rest(REST * (time.monotonic() - started) if is_more else LOOK_SECONDS)

    async def _catch_up(self) -> bool:
        """Apply some batches to the counts and some to the index; whether more may be left.

        Both in turn: at its peak ingest brings batches as fast as the counts take them, and the
        index would wait forever.
        """
        counted, indexed = await self._run(self._apply_counts), await self._run(self._apply_texts)
        self._messages_behind = max((await self._run(self._count_unindexed)).values())
        if time.monotonic() - self._measured_at > SIZE_SECONDS:
            self._measured_at = time.monotonic()
            with suppress(StoreError):  # some relatives of PostgreSQL can't say
                self._database_bytes = await self._run(self._read_size)
        return counted.batches == COUNTED_BATCHES_MAX or indexed.batches == INDEXED_BATCHES_MAX

    def _note(self, trouble: str) -> None:
        """Log a trouble once, not at every look."""
        if trouble != self._trouble:
            self._warn("index_trouble", f"the counts are not kept up to date: {trouble}")
        self._trouble = trouble

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _run(self, step: Callable[[Connection], Awaitable[T]]) -> T:
        return await self._pool.run(STATEMENT_SECONDS, step)

    async def _apply_counts(self, connection: Connection) -> Applied:
        """Add some batches to the counts; none if none is pending, or another instance does it."""
        async with connection.transaction():
            if not await connection.fetch(self._queries.lock_totals):
                return Applied(0, 0)
            limit = {"limit": COUNTED_BATCHES_MAX}
            rows = await connection.fetch(self._queries.apply_pending_counts, limit)
        return Applied(*rows[0]) if rows else Applied(0, 0)

    async def _apply_texts(self, connection: Connection) -> Applied:
        """Add the texts of some batches to the index."""
        if not self.has_texts:
            return await self._discard_texts(connection)
        limit = {"limit": INDEXED_BATCHES_MAX}
        rows = await connection.fetch(self._queries.apply_pending_texts, limit)
        return Applied(*rows[0])

    async def _discard_texts(self, connection: Connection) -> Applied:
        """Discard the pending texts, unless another instance has made an index."""
        async with connection.transaction():
            if not await connection.fetch(self._queries.lock_totals):
                return Applied(0, 0)
            (row,) = await connection.fetch(self._queries.discard_pending_texts)
        self.has_texts, *applied = row
        return Applied(*applied)

    async def _count_unindexed(self, connection: Connection) -> dict[str, int]:
        (row,) = await connection.fetch(self._queries.count_unindexed)
        return dict(row)

    async def _read_size(self, connection: Connection) -> int:
        return int((await connection.fetch(self._queries.read_size))[0][0] or 0)
