"""Keeps the WAL short: its frames are copied into the database file while no webhook waits."""

# What bounds the WAL, from the shortest to the longest. A frame is a page of 4 KiB.
#
# | limit                 |         | what happens                                                |
# | --------------------- | ------- | ----------------------------------------------------------- |
# | CHECKPOINT_SECONDS    |   0.5 s | a connection of its own checkpoints beside the writer       |
# | FRAMES_LEFT           |   2 MiB | so little is left: the writer checkpoints it, between two   |
# |                       |         | commits, and the next commit restarts the WAL               |
# | WAL_FRAMES_MAX        |  64 MiB | reads keep it from restarting: new reads wait until it can  |
# | journal_size_limit *  |  64 MiB | a WAL that restarts is cut back to this                     |
# | WAL_BYTES_MAX         | 256 MiB | the next batch is stored after a checkpoint                 |
# | wal_autocheckpoint *  |   never | SQLite's own checkpoint in a commit hides its failures      |
#
# * in sql/sqlite/connection.sql

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from service.store.disk import size_of
from service.store.interface import StoreError, Warn
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Options
from service.store.sqlite.files import OpenFiles
from service.store.sqlite.pool import Pool
from service.telemetry.logs import format_exception

CHECKPOINT_SECONDS = 0.5
CHECKPOINTS_MAX = 8
FRAMES_LEFT = 500
WAL_FRAMES_MAX = 16_000
WAL_BYTES_MAX = 256 * 2**20

BLOCKED_SECONDS = 60.0
"""After so long without progress a checkpoint is reported, and again each time so much later."""


class Checkpoints:
    """Checkpoints what the writer has committed. `start` it, `notify` it, `close` it."""

    def __init__(
        self,
        files: OpenFiles,
        wal: Path,
        options: Options,
        queries: SqliteQueries,
        writer: Pool,
        readers: Sequence[Pool],
        warn: Warn,
    ) -> None:
        """`readers` are paused in this order, when there is no other way."""
        self._warn = warn
        self._done = 0
        self._blocked_at: float | None = None
        self._warned_at = float("-inf")
        self._files = files
        self._wal = wal
        self._queries = queries
        self._writer = writer
        self._readers = readers
        self._pool = Pool(1, options._replace(is_background=True), queries)
        self._one = asyncio.Lock()
        """One checkpoint at a time: after a failed sync, the next one may succeed and hide it."""
        self._has_grown = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why the last checkpoint failed, if it did."""

    def start(self) -> None:
        """Begin to checkpoint; needs a running event loop."""
        self._task = asyncio.create_task(self._follow(), name="checkpoints")

    def notify(self) -> None:
        """Messages have been stored."""
        self._has_grown.set()

    async def make_room(self) -> None:
        """Checkpoint a WAL that has become too long. Raises StoreError: it must grow no further."""
        if size_of(self._wal) > WAL_BYTES_MAX:
            await self._checkpoint(self._writer)

    def blocked_seconds(self) -> float:
        """For how long another program has kept the WAL from being checkpointed; 0 if none does."""
        return 0 if self._blocked_at is None else time.monotonic() - self._blocked_at

    async def close(self) -> None:
        """Stop, and checkpoint what is left; safe to call twice.

        SQLite does the same when the last connection closes, but hides a failure.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
            with suppress(StoreError):
                await self._checkpoint(self._writer)
        await self._pool.close()

    async def _follow(self) -> None:
        while True:
            await self._has_grown.wait()
            await asyncio.sleep(CHECKPOINT_SECONDS)
            self._has_grown.clear()
            try:
                await self._keep_short()
                self.trouble = None
            except Exception as error:  # whatever it is, this task must go on
                is_known = isinstance(error, StoreError)
                self.trouble = str(error) if is_known else format_exception(error)
                self._has_grown.set()

    async def _keep_short(self) -> None:
        """A long read keeps SQLite from restarting the WAL, and reads that overlap always do."""
        if await self._checkpoint_all() > WAL_FRAMES_MAX:
            async with AsyncExitStack() as pauses:
                for pool in self._readers:
                    await pauses.enter_async_context(pool.paused())
                await self._checkpoint_all()

    async def _checkpoint_all(self) -> int:
        """Gives how many frames the WAL has.

        Each checkpoint leaves the frames that came during it. When they are few, the writer
        checkpoints them: no commit is between, so that the next one can restart the WAL.
        """
        frames = done = done_before = 0
        for _ in range(CHECKPOINTS_MAX):
            frames, done = await self._checkpoint(self._pool)
            if done - done_before <= FRAMES_LEFT:
                break
            done_before = done
        self._watch(frames, done)
        if done == frames:  # else a read keeps the rest, from the writer as well
            await self._checkpoint(self._pool, self._files.sync)
            frames, _ = await self._checkpoint(self._writer)
        return frames

    def _watch(self, frames: int, done: int) -> None:
        """Report a read of another program that keeps frames in the WAL. Own reads are short."""
        now = time.monotonic()
        if done == frames or done != self._done:
            if self._warned_at > float("-inf"):
                self._warn("checkpoint_unblocked", "the WAL is checkpointed again")
                self._warned_at = float("-inf")
            self._blocked_at = None if done == frames else now
        elif self.blocked_seconds() > BLOCKED_SECONDS < now - self._warned_at:
            self._warned_at = now
            self._warn(
                "checkpoint_blocked",
                f"a read of another program has kept the WAL from being checkpointed for"
                f" {self.blocked_seconds():.0f} s: it grows, and has {frames} frames of a page."
                " End that read",
            )
        self._done = done
        if self._blocked_at is not None:
            self._has_grown.set()  # look again, also without a webhook

    async def _checkpoint(
        self, pool: Pool, begin: Callable[[], None] = lambda: None
    ) -> tuple[int, int]:
        """Gives how many frames the WAL has, and how many of them the database file has.

        SQLite syncs the database file only in a checkpoint that leaves no frame. The writer makes
        that one, and every webhook waits for the sync: `begin` syncs the file beside it first.
        """

        def checkpoint(connection: sqlite3.Connection) -> tuple[int, int]:
            self._files.check_content()
            begin()
            _, frames, done = connection.execute(self._queries.checkpoint).fetchone()
            return int(frames), int(done)

        async with self._one:
            return await pool.run(checkpoint)
