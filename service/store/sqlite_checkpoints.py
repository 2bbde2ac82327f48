"""Keeps the log (-wal) short: its frames are moved into the database file while nobody waits."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from pathlib import Path

from service.store.folders import size_of
from service.store.port import DiskFailed, StoreError
from service.store.queries import SqliteQueries
from service.store.sqlite_connection import Options, Pool

CHECKPOINT_SECONDS = 0.5
PASSES_MAX = 8
FRAMES_LEFT = 500
"""So few frames the writer moves itself, between two commits, without delaying the next much."""

LOG_FRAMES_MAX = 16_000
"""A longer log (of 4 KiB a frame) has been kept by reads from beginning anew: they have to wait."""

LOG_BYTES_MAX = 256 * 2**20
"""A longer log is moved before anything more is stored: all else was too slow. When it begins anew
the file is cut back to less than this (`journal_size_limit` in connection.sql)."""


class Checkpoints:
    """Moves what the writer has committed. `start` it, `notify` it, `close` it."""

    def __init__(
        self,
        log: Path,
        options: Options,
        queries: SqliteQueries,
        writer: Pool,
        readers: Sequence[Pool],
        reopen: Callable[[], Awaitable[None]],
    ) -> None:
        """`log` is the file. `readers` are made to wait in this order, where there is no other way.

        `reopen` closes every connection, this one too, so that nothing is moved meanwhile.
        """
        self._log = log
        self._queries = queries
        self._writer = writer
        self._readers = readers
        self._reopen = reopen
        self._pool = Pool(1, options._replace(is_background=True), queries)
        self._is_log_growing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why the log is not moved, while it is not."""
        self.is_unsynced = False
        """The database file may lack what SQLite believes to be in it, until it was reopened (see
        `SqliteStore._close_all`). The log still holds it: nothing may be stored over that."""

    def start(self) -> None:
        """Begin to move; needs a running event loop."""
        self._task = asyncio.create_task(self._follow(), name="checkpoints")

    def notify(self) -> None:
        """Messages have been stored."""
        self._is_log_growing.set()

    async def make_room(self) -> None:
        """Move the log where it has become long, whoever waits for that: it grows no further.

        SQLite would do it by itself (`wal_autocheckpoint`), but tells nobody when it fails.
        """
        if size_of(self._log) > LOG_BYTES_MAX and not self.is_unsynced:
            with self._noting_trouble():
                await self._writer.run(self._checkpoint)

    def emptied(self) -> AbstractAsyncContextManager[None]:
        """See `Pool.emptied`."""
        return self._pool.emptied()

    async def stop(self) -> None:
        """Move nothing any more; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def close(self) -> None:
        """Close the connection, stopped before; safe to call twice."""
        await self._pool.close()

    async def _follow(self) -> None:
        while True:
            await self._is_log_growing.wait()
            await asyncio.sleep(CHECKPOINT_SECONDS)
            self._is_log_growing.clear()
            with self._noting_trouble():
                await self._move()
            if self.is_unsynced:
                await self._make_sure()
                self._is_log_growing.set()  # when it has been moved, there is no trouble any more

    @contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self.trouble = str(error)
            self.is_unsynced = self.is_unsynced or isinstance(error, DiskFailed)
            self._is_log_growing.set()

    async def _make_sure(self) -> None:
        """Return when the log will be moved anew from its beginning."""
        while self.is_unsynced:
            try:
                await self._reopen()
                self.is_unsynced = False
            except StoreError as error:
                self.trouble = str(error)
                await asyncio.sleep(CHECKPOINT_SECONDS)

    async def _move(self) -> None:
        """A read keeps the log from beginning anew as long as it lasts, and reads that overlap do
        for ever: where it has become long, they wait until it is moved.
        """
        if await self._move_all() > LOG_FRAMES_MAX:
            async with AsyncExitStack() as pauses:
                for pool in self._readers:
                    await pauses.enter_async_context(pool.paused())
                await self._move_all()
        self.trouble = None

    async def _move_all(self) -> int:
        """Each pass leaves fewer frames behind, those that came during it.

        When they are few, the writer moves them between two commits: then the log is empty for a
        moment, and begins anew, if no read keeps it from that. Gives how many frames it has.
        """
        moved_before = 0
        for _ in range(PASSES_MAX):
            _, moved = await self._pool.run(self._checkpoint)
            if moved - moved_before <= FRAMES_LEFT:
                break
            moved_before = moved
        frames, _ = await self._writer.run(self._checkpoint)
        return frames

    def _checkpoint(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Move frames; gives how many the log has, and how many of them have been moved."""
        if self.is_unsynced:  # since this was asked for: it could succeed, and hide what is missing
            raise StoreError("the database is not reopened yet")
        _, frames, moved = connection.execute(self._queries.checkpoint).fetchone()
        return int(frames), int(moved)
