"""Keeps the index file a few milliseconds behind the messages, in a thread of its own.

The index makes reads fast, and costs several times what storing a message costs. So no webhook
waits for it: messages are stored and answered, and indexed in batches afterwards. Reads see the
index and the unindexed messages.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from service.messages.text import FOLDING
from service.store.interface import StoreDamaged, StoreError, Warn, ignore_warning
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Options, driver, execute_all, result_code
from service.store.sqlite.index_file import identify, index_path, is_empty, replace_file
from service.store.sqlite.pool import Pool

BATCH_MESSAGES_MAX = 20_000
"""A message costs less in a large batch (docs/speed.md)."""
BATCH_CHARACTERS_MAX = 8_000_000
"""About so many in all texts of a batch: this bounds its memory."""

FILL_MESSAGES = 2_000
"""A batch is filled with so many messages at a time."""

PAUSE_SECONDS = 0.4
"""Between two batches, so that they are large under load. With 0.1 s a message costs up to a third
more, and half as many messages are unindexed (docs/speed.md)."""

LOOK_SECONDS = 1.0
"""How often to look for messages that another process has stored."""

CHUNK_MESSAGES = 50_000
"""How many messages are counted at a time, so that no snapshot is held for long."""

EXPECTED_SETTINGS = {"journal_mode": "wal", "synchronous": 1}
"""NORMAL: power loss may cost the last batches, which are indexed again."""


class Batch(NamedTuple):
    """What one batch has added to the index."""

    message_count: int
    last_seq: int
    """0 if there was nothing to index."""
    is_last: bool
    """Whether no message was left when the batch was filled."""


def index_steps(queries: SqliteQueries) -> tuple[str, ...]:
    """The statements that index a batch, in their order."""
    return (
        queries.index_by_ts,
        queries.index_by_from,
        queries.index_by_to,
        queries.index_senders,
        queries.index_recipients,
        queries.index_totals,
        # Last: FTS5 writes what it has gathered when another statement begins.
        queries.index_texts,
    )


class Indexer:
    """Writes the index file of one database. `open` it, `start` it, `close` it."""

    def __init__(
        self,
        database: Path,
        folder: Path,
        queries: SqliteQueries,
        path: Path | None = None,
        rebuild: Callable[[], Awaitable[None]] | None = None,
        suspect: Callable[[StoreError], None] | None = None,
        warn: Warn = ignore_warning,
    ) -> None:
        """The index file is at `path`; the default is beside the database.

        `rebuild` calls `open` while no other process makes the file, and reopens what reads it.
        `suspect` is called in any thread when the index or the database can't be read.
        """
        self._path = path or index_path(database)
        self._queries = queries
        self._index_sql = (folder / "index.sql").read_text("utf-8")
        self._digest = hashlib.sha256(f"{self._index_sql}{FOLDING}".encode()).hexdigest()
        self._steps = index_steps(queries)
        self._options = Options(
            uri=f"{self._path.absolute().as_uri()}?mode=rw",
            settings_sql=(folder / "index_connection.sql").read_text("utf-8"),
            expected=EXPECTED_SETTINGS,
            attached_uri=f"{database.absolute().as_uri()}?mode=ro",
            is_background=True,
            when_disk_fails=suspect,
            when_damaged=suspect,
        )
        self._pool = Pool(1, self._options, queries)
        self._stored = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._uncounted = (0, 0)
        """The unindexed messages that the start found: after the first seq, up to the second."""
        self._stored_count = 0
        self._unindexed_count = 0
        self._rebuild = rebuild or self.open
        self._warn = warn
        self._identity: list[int] | None = None
        """Which files are open."""
        self._is_damaged = False
        self._trouble: str | None = None
        """Why the index does not follow, while it does not."""

    async def open(self) -> None:
        """Open the index file, or a new one if it is not the index of this database.

        No connection of this process may have the file open. Raises OSError and StoreError.
        """
        await self._pool.close()
        is_new = self._identity is None and not self._path.exists()
        if (fault := await self._find_fault()) is not None:
            await self._pool.close()
            await replace_file(self._path, self._options, self._queries, self._fill)
            await self._pool.run(self.count_unindexed)
            if not is_new:
                self._warn(
                    "index_rebuilt",
                    f"{self._path.name} is built again: {fault}."
                    " Reads are right meanwhile, but slower",
                )
        self._is_damaged = False
        self._unindexed_count = 0
        self._identity = identify(self._path)

    def start(self) -> None:
        """Begin to follow; needs a running event loop."""
        self._task = asyncio.create_task(self._follow(), name="indexer")

    def notify(self, message_count: int) -> None:
        """So many messages have been stored."""
        self._stored_count += message_count
        self._unindexed_count += message_count
        self._stored.set()

    def condemn(self) -> None:
        """The index is damaged: build it again."""
        self._is_damaged = True
        self._stored.set()

    def messages_behind(self) -> int:
        """How many messages are stored and not indexed; exact whenever the index catches up."""
        return self._unindexed_count

    async def index_all(self) -> None:
        """Return when every message stored by now is in the index; raises StoreError.

        Messages that are stored meanwhile are left to the next call, or this might never end.
        """
        last_seq = await self._pool.run(self._last_seq)
        while 0 < (await self._index_next()).last_seq < last_seq:
            pass

    async def copy_to(self, path: Path) -> None:
        """Replace the content of another index file in one transaction; readers see old or new."""

        def copy(connection: sqlite3.Connection) -> None:
            with closing(driver.connect(path)) as target:
                connection.backup(target)

        await self._pool.run(copy)

    async def close(self) -> None:
        """Stop after the current batch; safe to call twice."""
        self._closing.set()
        self._stored.set()
        if self._task is not None:
            await self._task
        await self._pool.close()

    async def _follow(self) -> None:
        while not self._closing.is_set():
            await self._catch_up()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stored.wait(), LOOK_SECONDS)
            self._stored.clear()

    async def _catch_up(self) -> None:
        try:
            await self._mend()
            while (await self._index_next()).last_seq and not self._closing.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), PAUSE_SECONDS)
                await self._mend()  # under a load this loop does not end
            self._trouble = None
        except Exception as error:
            # The next look tries again. Reads stay right, and get slower with every unindexed
            # message.
            trouble, self._trouble = self._trouble, str(error) or type(error).__name__
            if trouble != self._trouble:
                self._warn(
                    "index_trouble",
                    f"{self._path.name} can't be written: {self._trouble}. Messages are stored, and"
                    " reads are right, but slower. The service tries again every second",
                )

    async def _mend(self) -> None:
        """Open the file again if it is gone, replaced, empty or damaged; count what it lacks."""
        is_other = identify(self._path) != self._identity
        if self._is_damaged or is_other or is_empty(self._path):
            await self._rebuild()
        await self._count_unindexed()

    async def _index_next(self) -> Batch:
        """Index the next batch. After the last one, only what was stored meanwhile is unindexed.

        So the count does not stay wrong after others have deleted or stored messages.
        """
        stored_before = self._stored_count
        batch = await self._pool.run(self._index_batch)
        if batch.is_last:
            self._unindexed_count = self._stored_count - stored_before
        else:
            self._unindexed_count = max(0, self._unindexed_count - batch.message_count)
        return batch

    async def _count_unindexed(self) -> None:
        """Count the unindexed messages that the start found: seconds of work after a lost index."""
        after_seq, end = self._uncounted
        while after_seq < end and not self._closing.is_set():
            last_seq = min(after_seq + CHUNK_MESSAGES, end)
            chunk = {"after_seq": after_seq, "last_seq": last_seq}
            self._unindexed_count += await self._pool.run(partial(self._count, chunk=chunk))
            after_seq = last_seq
            self._uncounted = after_seq, end

    def _count(self, connection: sqlite3.Connection, chunk: dict[str, int]) -> int:
        row: tuple[int] = connection.execute(self._queries.count_unindexed, chunk).fetchone()
        return row[0]

    async def _find_fault(self) -> str | None:
        """Why the file is not the index of this database and this code."""
        if self._is_damaged:
            return "it is damaged"
        if not self._path.exists():
            return "it was deleted"
        try:
            if is_empty(self._path):
                return "it is empty"
            is_ours = await self._pool.run(self.count_unindexed) is not None
        except StoreDamaged as error:
            return str(error)
        return None if is_ours else "it is not of this database, or of another version"

    def _fill(self, connection: sqlite3.Connection) -> None:
        connection.execute(self._queries.begin_write)
        execute_all(connection, self._index_sql)
        connection.execute(self._queries.insert_indexed, {"digest": self._digest})
        connection.commit()

    def count_unindexed(self, connection: sqlite3.Connection) -> int | None:
        """At most so many messages are unindexed; None if the index is not that of this database
        and this code. Only reads."""
        try:
            row = connection.execute(self._queries.read_indexed).fetchone()
        except driver.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_ERROR:
                raise
            return None  # no such table
        seq, message_id, digest = row or (0, "", "")
        last_seq = self._last_seq(connection)
        self._uncounted = seq, last_seq
        found = connection.execute(self._queries.read_message_id, {"seq": seq}).fetchone()
        if digest == self._digest and message_id == (found[0] if found else ""):
            return last_seq - seq
        return None

    def _last_seq(self, connection: sqlite3.Connection) -> int:
        row: tuple[int] = connection.execute(self._queries.read_last_seq).fetchone()
        return row[0]

    def _index_batch(self, connection: sqlite3.Connection) -> Batch:
        while True:
            after_seq = connection.execute(self._queries.read_indexed).fetchone()[0]
            batch = self._fill_batch(connection, after_seq)
            if not batch.last_seq or self._write_batch(connection, after_seq):
                return batch

    def _fill_batch(self, connection: sqlite3.Connection, after_seq: int) -> Batch:
        """Copy the next messages into memory."""
        queries = self._queries
        connection.execute(queries.create_batch)
        connection.execute(queries.empty_batch)
        messages = characters = last_seq = 0
        is_more = True
        while is_more and messages < BATCH_MESSAGES_MAX and characters < BATCH_CHARACTERS_MAX:
            limit = min(FILL_MESSAGES, BATCH_MESSAGES_MAX - messages)
            limits = {"after_seq": max(after_seq, last_seq), "limit": limit}
            is_more = connection.execute(queries.fill_batch, limits).rowcount == limit
            messages, characters, last_seq = connection.execute(queries.measure_batch).fetchone()
        return Batch(messages, last_seq, is_last=not is_more)

    def _write_batch(self, connection: sqlite3.Connection, after_seq: int) -> bool:
        """Add the batch to the index, unless another process has done so."""
        connection.execute(self._queries.begin_batch)
        recorded = connection.execute(self._queries.record_indexed, {"after_seq": after_seq})
        if not recorded.rowcount:
            connection.rollback()
            return False
        for step in self._steps:
            connection.execute(step)
        connection.commit()
        return True
