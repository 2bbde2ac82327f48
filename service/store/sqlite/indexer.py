"""Keeps the index file a few milliseconds behind the messages, in a thread of its own.

The index is what reads need to be fast, and it costs several times what storing a message does. A
webhook does not wait for it: messages are stored and answered, and taken into the index in slices
afterwards. Reads look at the index, and at the messages that it does not have yet, of which each
connection that reads keeps a copy (`sqlite_reads`).
"""

import asyncio
import hashlib
import sqlite3
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from service.store.interface import StoreDamaged
from service.store.queries import SqliteQueries
from service.store.sqlite.pool import Options, Pool, driver, execute_all

SUFFIX = "-index"
SLICE_MESSAGES = 20_000
"""Under full load they become so large, and their messages cost less each (docs/speed.md)."""
SLICE_CHARACTERS = 8_000_000
"""Of its texts together, about: bounds the memory that a slice takes."""

FILL_MESSAGES = 2_000
"""So many are copied into the slice at a time."""

PAUSE_SECONDS = 0.4
"""Between two slices. Under load it makes them large, and their messages cost less each.

With 0.1 they cost up to a third more, for a tail half as long (docs/speed.md).
"""

LOOK_SECONDS = 1.0
"""How often it looks for messages that another process has stored."""

EXPECTED_SETTINGS = {"journal_mode": "wal", "synchronous": 1}
"""NORMAL: the loss of power may cost the last slices, which are then made again, and no more."""


def index_path(database: Path) -> Path:
    """The index file of a database, beside it."""
    return database.with_name(database.name + SUFFIX)


def index_steps(queries: SqliteQueries) -> tuple[str, ...]:
    """What takes a slice into the index, in this order."""
    return (
        queries.index_by_ts,
        queries.index_by_from,
        queries.index_by_to,
        # Before who is busy: whoever becomes so by this slice is counted with all of it.
        queries.index_busy_pairs,
        queries.index_senders,
        queries.index_recipients,
        queries.index_totals,
        # Last: the search index writes what it has gathered when another statement begins.
        queries.index_by_text,
    )


class Indexer:
    """Writes the index file of one database. `open` it, `start` it, `close` it."""

    def __init__(self, database: Path, folder: Path, queries: SqliteQueries) -> None:
        self._path = index_path(database)
        self._queries = queries
        self._index_sql = (folder / "index.sql").read_text("utf-8")
        self._digest = hashlib.sha256(self._index_sql.encode()).hexdigest()
        self._steps = index_steps(queries)
        options = Options(
            uri=f"{self._path.absolute().as_uri()}?mode=rwc",
            settings_sql=(folder / "index_connection.sql").read_text("utf-8"),
            expected=EXPECTED_SETTINGS,
            attached_uri=f"{database.absolute().as_uri()}?mode=ro",
            is_background=True,
        )
        self._pool = Pool(1, options, queries)
        self._stored = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stored_seq = self._indexed_seq = 0
        self.trouble: str | None = None
        """Why the index does not follow, while it does not."""

    async def open(self) -> None:
        """Make the index file, or make it anew where it is not the index of this database.

        Raises StoreError where that can't be found out: a file that another process has locked is
        one that it uses, and is never removed.
        """
        try:
            is_usable = await self._pool.run(self._prepare)
        except StoreDamaged:
            is_usable = False
        if not is_usable:
            await self._pool.close()
            self._remove()
            await self._pool.run(self._prepare)

    def start(self) -> None:
        """Begin to follow; needs a running event loop."""
        self._task = asyncio.create_task(self._follow(), name="indexer")

    def notify(self, stored_seq: int) -> None:
        """Messages up to `stored_seq` have been stored."""
        self._stored_seq = max(self._stored_seq, stored_seq)
        self._stored.set()

    def messages_behind(self) -> int:
        """About how many messages are stored and not in the index yet."""
        return max(0, self._stored_seq - self._indexed_seq)

    async def index_all(self) -> None:
        """Return when every message stored by now is in the index; raises StoreError.

        What is stored meanwhile is left to the next one, or this might never end.
        """
        last_seq = await self._pool.run(self._last_seq)
        while 0 < await self._pool.run(self._index_slice) < last_seq:
            pass

    def emptied(self) -> AbstractAsyncContextManager[None]:
        """See `Pool.emptied`."""
        return self._pool.emptied()

    async def close(self) -> None:
        """Stop after the slice in hand; safe to call twice."""
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
            while await self._pool.run(self._index_slice) and not self._closing.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), PAUSE_SECONDS)
            self.trouble = None
        except Exception as error:
            # Whatever it is, the next look tries again: reads stay right meanwhile, and get slower
            # with every message that the index lacks. The readiness probe tells.
            self.trouble = str(error) or type(error).__name__

    def _prepare(self, connection: sqlite3.Connection) -> bool:
        """Whether the index is that of this database and this code; an empty file is made so."""
        if not connection.execute(self._queries.list_index_tables).fetchall():
            connection.execute(self._queries.begin_write)
            # Now that nobody else can write: another process may just have made it.
            if not connection.execute(self._queries.list_index_tables).fetchall():
                execute_all(connection, self._index_sql)
                connection.execute(self._queries.insert_indexed, {"digest": self._digest})
            connection.commit()
        try:
            row = connection.execute(self._queries.read_indexed).fetchone()
        except driver.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return False  # some other database has this name
        seq, message_id, digest = row or (0, "", "")
        self._stored_seq, self._indexed_seq = self._last_seq(connection), seq
        found = connection.execute(self._queries.read_message_id, {"seq": seq}).fetchone()
        return bool(digest == self._digest and message_id == (found[0] if found else ""))

    def _last_seq(self, connection: sqlite3.Connection) -> int:
        row: tuple[int] = connection.execute(self._queries.read_last_seq).fetchone()
        return row[0]

    def _index_slice(self, connection: sqlite3.Connection) -> int:
        """Take the next slice into the index; gives its last seq, or 0 where there is none."""
        while True:
            after_seq = connection.execute(self._queries.read_indexed).fetchone()[0]
            last_seq = self._fill_slice(connection, after_seq)
            if not last_seq or self._take_slice(connection, after_seq):
                self._indexed_seq = last_seq or after_seq
                return last_seq

    def _fill_slice(self, connection: sqlite3.Connection, after_seq: int) -> int:
        """Copy the messages of the next slice; gives the last seq, or 0 where there are none."""
        queries = self._queries
        connection.execute(queries.create_slice)
        connection.execute(queries.empty_slice)
        messages = characters = last_seq = 0
        is_more = True
        while is_more and messages < SLICE_MESSAGES and characters < SLICE_CHARACTERS:
            limit = min(FILL_MESSAGES, SLICE_MESSAGES - messages)
            limits = {"after_seq": max(after_seq, last_seq), "limit": limit}
            is_more = connection.execute(queries.fill_slice, limits).rowcount == limit
            messages, characters, last_seq = connection.execute(queries.measure_slice).fetchone()
        return last_seq

    def _take_slice(self, connection: sqlite3.Connection, after_seq: int) -> bool:
        """Take the slice into the index, unless another process has done so."""
        connection.execute(self._queries.begin_slice)
        recorded = connection.execute(self._queries.record_indexed, {"after_seq": after_seq})
        if not recorded.rowcount:
            connection.rollback()
            return False
        for step in self._steps:
            connection.execute(step)
        connection.commit()
        return True

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
