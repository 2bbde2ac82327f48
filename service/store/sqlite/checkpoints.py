"""Keeps the log (-wal) short: its frames are moved into the database file while nobody waits."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from pathlib import Path

from service.store.disk import size_of
from service.store.interface import DiskFailed, StoreError
from service.store.queries import SqliteQueries
from service.store.sqlite.pool import Options, Pool, driver, store_error

CHECKPOINT_SECONDS = 0.5
PASSES_MAX = 8
FRAMES_LEFT = 500
"""So few frames the writer moves itself, between two commits, without delaying the next much."""

LOG_FRAMES_MAX = 16_000
"""A longer log (of 4 KiB a frame) has been kept by reads from beginning anew: they have to wait."""

LOG_BYTES_MAX = 256 * 2**20
"""A longer log is moved before anything more is stored: all else was too slow. When it begins anew
the file is cut back to less than this (`journal_size_limit` in connection.sql)."""


class SyncedFile:
    """A descriptor of the database file. `open` it before it is synced; when SQLite has closed the
    file, `close` it.

    Not before: whoever closes any descriptor of a file takes all locks from it that his process
    has there, those of SQLite, too (sqlite.org/howtocorrupt.html, section 2.2).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Raises OSError."""
        self._descriptor = os.open(self._path, os.O_RDWR)

    def sync(self) -> None:
        """Return when the disk has all that was written; raises OSError."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Checkpoints:
    """Moves what the writer has committed. `start` it, `notify` it, `close` it."""

    def __init__(
        self,
        file: SyncedFile,
        log: Path,
        options: Options,
        queries: SqliteQueries,
        writer: Pool,
        readers: Sequence[Pool],
        reopen: Callable[[], Awaitable[None]],
    ) -> None:
        """`file` and `log` are those of the database. `readers` are made to wait in this order,
        where there is no other way.

        `reopen` closes every connection, this one too, so that nothing is moved meanwhile.
        """
        self._file = file
        self._log = log
        self._queries = queries
        self._writer = writer
        self._readers = readers
        self._reopen = reopen
        self._pool = Pool(1, options._replace(is_background=True), queries)
        self._lock = threading.Lock()
        """Held while something is moved or synced."""
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
        frames = moved = moved_before = 0
        for _ in range(PASSES_MAX):
            frames, moved = await self._pool.run(self._checkpoint)
            if moved - moved_before <= FRAMES_LEFT:
                break
            moved_before = moved
        if moved == frames:  # else a read keeps the rest, from the writer, too
            await self._pool.run(self._sync_and_checkpoint)
            frames, _ = await self._writer.run(self._checkpoint)
        return frames

    def _sync_and_checkpoint(self, connection: sqlite3.Connection) -> None:
        """SQLite syncs only behind a pass that leaves no frame, and then what all passes before it
        have written, too. Where that is the writer's, every webhook would wait for it.
        """
        with self._turn():
            self._file.sync()
        self._checkpoint(connection)

    def _checkpoint(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Move frames; gives how many the log has, and how many of them have been moved."""
        with self._turn():
            _, frames, moved = connection.execute(self._queries.checkpoint).fetchone()
        return int(frames), int(moved)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One at a time: where one fails, the next could succeed, and hide what is missing."""
        with self._lock:
            if self.is_unsynced:
                raise StoreError("the database is not reopened yet")
            try:
                yield
            except OSError as error:
                self.is_unsynced = True
                raise DiskFailed(f"the file can't be synced: {error.strerror}") from error
            except driver.Error as error:
                self.is_unsynced = isinstance(store_error(error), DiskFailed)
                raise
