"""The store on SQLite: one connection that writes, a few that read, and an index beside."""

import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from service.errors import DatabaseError
from service.messages.message import Message, encode
from service.store.disk import make_folder, size_of, sync_folder
from service.store.interface import DiskFailed, Filter, Outcome, Position, Row, StoreError, Totals
from service.store.migrate import Migration, choose_pending, load_migrations
from service.store.outcomes import classify, first_of_each
from service.store.queries import SqliteQueries, load_queries, sql_folder
from service.store.sqlite.checkpoints import Checkpoints, SyncedFile
from service.store.sqlite.indexer import Indexer, index_path
from service.store.sqlite.pool import (
    Options,
    Pool,
    describe_driver,
    driver,
    execute_all,
    warn_of_driver,
)
from service.store.sqlite.reads import Reads, look
from service.store.sqlite.wal import rewrite_log

T = TypeVar("T")

READERS = 4
"""Reads at a time that an index serves; more wait. Each has a thread and its cache_size."""

SEARCHERS = 2
"""Reads at a time that may look at many messages; they leave the processor to all others."""

FILES = {"main": "", "wal": "-wal", "index": "-index", "index_wal": "-index-wal"}
"""By part of the database, how the name of its file ends."""

EXPECTED_SETTINGS = {"journal_mode": "wal", "synchronous": 2}
"""What `read_connection.sql` must find: without these an acknowledged message could be lost."""

_decode_rows = msgspec.json.Decoder(list[Row]).decode


class SqliteStore:
    """A `store.port.Store` in one SQLite file. `open` it first."""

    batches_in_flight = 1
    """SQLite has one writer."""

    engine = describe_driver()

    def __init__(self, path: Path, folder: Path | None = None, timeout_seconds: float = 5) -> None:
        """`folder` holds the SQL: `sql/sqlite`, where nothing else is said.

        A read that takes longer than `timeout_seconds` is stopped. Raises DatabaseError where a
        file of SQL is missing, not used, or misnamed.
        """
        folder = folder or sql_folder("sqlite")
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._created_at = 0
        self._migrations = load_migrations(folder / "migrations")
        self._queries = queries = load_queries(folder / "queries", SqliteQueries)
        settings_sql = (folder / "connection.sql").read_text("utf-8")
        uri = path.absolute().as_uri()
        index_uri = f"{index_path(path).absolute().as_uri()}?mode=ro"
        writes = Options(f"{uri}?mode=rwc", settings_sql, EXPECTED_SETTINGS)
        keeps = Options(f"{uri}?mode=ro", settings_sql, EXPECTED_SETTINGS)
        reader_sql = (folder / "reader.sql").read_text("utf-8")
        reads = keeps._replace(attached_uri=index_uri, prepare_sql=reader_sql)
        self._writer = Pool(1, writes, queries)
        self._keeper = Pool(1, keeps, queries)
        """Is open all the time: where nobody has the database open, the next to open it takes all
        for committed that the log seems to hold, also what could not be synced. As long as somebody
        has, that is overwritten by the next commit."""
        self._readers = Pool(READERS, reads, queries)
        self._searchers = Pool(SEARCHERS, reads._replace(is_background=True), queries)
        # Searches wait first: they take the longest, and all other reads go on meanwhile.
        readers = (self._searchers, self._readers)
        log = path.with_name(path.name + FILES["wal"])
        self._file = SyncedFile(path)
        self._checkpoints = Checkpoints(
            self._file, log, writes, queries, self._writer, readers, self._reopen
        )
        self._indexer = Indexer(path, folder, queries)

    async def open(self) -> None:
        """Make the files where there are none, migrate, and prove that all reads and writes.

        Raises DatabaseError, which names the path and what is wrong with it.
        """
        try:
            if not self._path.exists():  # where it does, this has been done before it was made
                make_folder(self._path.parent)
            await self._writer.run(self._migrate)
            await self._open_index()
            await self.check()
            await self._take_over_log()
            # SQLite has synced it, too, but does not look whether that succeeded.
            sync_folder(self._path.parent)
            self._file.open()
        except (OSError, StoreError, DatabaseError) as error:
            await self.close()
            reason = error.strerror if isinstance(error, OSError) else error
            raise DatabaseError(f"DATABASE_URL: can't use {self._path}: {reason}") from error
        self._indexer.start()
        self._checkpoints.start()

    def warnings(self) -> list[tuple[str, str]]:
        """See `store.port.Store.warnings`."""
        trouble = warn_of_driver()
        return [("database_driver", trouble)] if trouble else []

    async def insert(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `store.port.Store.insert`."""
        await self._checkpoints.make_room()
        if self._checkpoints.is_unsynced:
            raise StoreError("the database file could not be synced, and is not reopened yet")
        outcomes = await self._writer.run(lambda connection: self._insert(connection, messages))
        self._indexer.notify(outcomes.count(Outcome.CREATED))
        self._checkpoints.notify()
        return outcomes

    async def index_all(self) -> None:
        """See `store.port.Store.index_all`."""
        await self._indexer.index_all()

    def messages_behind(self) -> int:
        """See `store.port.Store.messages_behind`."""
        return self._indexer.messages_behind()

    def database_bytes(self) -> dict[str, int]:
        """See `store.port.Store.database_bytes`: the size of each file."""
        name = self._path.name
        return {part: size_of(self._path.with_name(name + end)) for part, end in FILES.items()}

    async def page(
        self,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
        seconds_max: float = math.inf,
    ) -> list[Row]:
        """See `store.port.Store.page`."""
        return await self._read(chosen, lambda reads: reads.page(after, offset, limit), seconds_max)

    async def page_and_count(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.port.Store.page_and_count`."""
        return await self._read(chosen, lambda reads: reads.page_and_count(after, offset, limit))

    async def totals(self) -> Totals:
        """See `store.port.Store.totals`."""
        return await self._read(Filter(), Reads.totals)

    async def check(self) -> None:
        """See `store.port.Store.check`."""
        now = {"now": _now()}
        await self._writer.run(lambda raw: raw.execute(self._queries.write_probe, now))
        await self._readers.run_for(self._timeout_seconds, lambda raw: look(raw, self._queries))
        if self._checkpoints.trouble is not None:
            raise StoreError(f"the log does not move: {self._checkpoints.trouble}")
        if self._indexer.trouble is not None:
            raise StoreError(f"the index does not follow: {self._indexer.trouble}")

    async def close(self) -> None:
        """Close what reads, then what writes: the last one moves what a log holds into its file.

        Where a sync of that file has failed, the log stays as it is for the next start.
        """
        await self._checkpoints.stop()
        if self._checkpoints.is_unsynced:
            with suppress(StoreError):
                await self._close_all()
        await self._keeper.close()
        for part in self._parts:
            await part.close()
        self._file.close()

    @property
    def _parts(self) -> Sequence[Pool | Indexer | Checkpoints]:
        return (self._readers, self._searchers, self._indexer, self._checkpoints, self._writer)

    async def _open_index(self) -> None:
        """Under the write lock: of several processes that start at once, one makes an index anew
        and the others find it made. Else each would remove that of the one before it.
        """
        await self._writer.run(lambda raw: raw.execute(self._queries.begin_write))
        try:
            await self._indexer.open()
        finally:
            await self._writer.run(lambda raw: raw.rollback())

    async def _take_over_log(self) -> None:
        """Keep the database open from now on, and have the disk hold what its log seems to."""
        await self._keeper.run(lambda _: None)
        await self._writer.run(self._rewrite_log)

    async def _reopen(self) -> None:
        await self._close_all()
        await self._take_over_log()

    async def _close_all(self) -> None:
        """Close every connection before one opens again, so that all of the log is moved anew.

        When a sync of the database file fails, the system may forget that pages of it were never
        written, and the next sync succeeds. SQLite moves the frames of the pass that failed once
        more, but not those of the passes before, which it had not synced yet: it would let the log
        be overwritten that holds the only copy. It counts them anew where nobody has the database
        open. The last to leave is the keeper, which only reads: any other would move what it
        believes is left, and remove the log.
        """
        await self._keeper.run(lambda _: None)
        async with AsyncExitStack() as stack:
            for part in self._parts:
                await stack.enter_async_context(part.emptied())
            await self._keeper.close()

    async def _read(
        self, chosen: Filter, read: Callable[[Reads], T], seconds_max: float = math.inf
    ) -> T:
        def snapshot(connection: sqlite3.Connection) -> T:
            found = read(Reads(connection, self._queries, chosen))
            connection.commit()
            return found

        pool = self._searchers if chosen.q_folded else self._readers
        return await pool.run_for(min(seconds_max, self._timeout_seconds), snapshot)

    def _rewrite_log(self, connection: sqlite3.Connection) -> None:
        connection.execute(self._queries.begin_write)
        try:
            rewrite_log(self._path)
        except OSError as error:
            raise DiskFailed(f"the log can't be written: {error.strerror}") from error
        connection.rollback()

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute(self._queries.create_migrations)
        while self._migrate_once(connection):
            pass

    def _migrate_once(self, connection: sqlite3.Connection) -> bool:
        """Run the next pending migration, if any, together with the row that records it.

        The list is read under the write lock: another process may just have done the same.
        """
        connection.execute(self._queries.begin_write)
        applied = connection.execute(self._queries.list_migrations).fetchall()
        pending = choose_pending(self._migrations, applied)
        if pending:
            self._apply(connection, pending[0])
        connection.commit()
        return bool(pending)

    def _apply(self, connection: sqlite3.Connection, migration: Migration) -> None:
        try:
            execute_all(connection, migration.sql)
        except driver.Error as error:
            raise DatabaseError(f"{migration.name} failed and was undone: {error}") from error
        number, name, digest, _ = migration
        record = {"number": number, "name": name, "digest": digest, "now": _now()}
        connection.execute(self._queries.record_migration, record)

    def _insert(self, connection: sqlite3.Connection, messages: Sequence[Message]) -> list[Outcome]:
        first = first_of_each(messages)
        created_at = self._next_created_at()
        batch = {"batch": encode(list(first.values())).decode(), "created_at": created_at}
        created_count = connection.execute(self._queries.insert_messages, batch).rowcount
        if created_count == len(messages):
            return [Outcome.CREATED] * created_count
        ids = {"message_ids": encode(list(first)).decode(), "created_at": created_at}
        found = connection.execute(self._queries.find_messages, ids).fetchone()
        return classify(messages, first, created_count, _decode_rows(found[0]))

    def _next_created_at(self) -> int:
        """The instant that marks a batch: the clock's, but later than the last batch's."""
        self._created_at = max(_now(), self._created_at + 1)
        return self._created_at


def _now() -> int:
    return time.time_ns() // 1_000
