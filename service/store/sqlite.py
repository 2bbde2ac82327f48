"""The store on SQLite: one connection that writes, a few that read, a thread for each."""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import msgspec

from service.errors import DatabaseError
from service.schemas import Message
from service.store.migrate import Migration, choose_pending, load_migrations
from service.store.outcomes import classify, first_of_each
from service.store.port import Filter, Outcome, Position, Row, StoreError, Totals
from service.store.queries import Queries, load_queries, sql_folder

try:
    from pysqlite3 import dbapi2 as driver  # a current SQLite, where it has a wheel
except ImportError:
    driver = sqlite3  # Python's own: whatever SQLite the system has

T = TypeVar("T")

READERS = 4
"""Reads at a time; more wait. Each has a thread and up to its cache_size of memory."""

ROWS_A_FETCH = 64

EXPECTED_SETTINGS = {"journal_mode": "wal", "synchronous": 2}
"""What `read_connection.sql` must find: without these an acknowledged message could be lost."""

_encode = msgspec.json.Encoder().encode
_decode_rows = msgspec.json.Decoder(list[Row]).decode


class SqliteStore:
    """A `store.port.Store` in one SQLite file. `open` it first."""

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        """`folder` holds the SQL: `sql/sqlite`, where nothing else is said.

        Raises DatabaseError where a file there is missing, not used, or misnamed.
        """
        folder = folder or sql_folder("sqlite")
        self._path = path
        self._created_at = 0
        self._migrations = load_migrations(folder / "migrations")
        self._queries = queries = load_queries(folder / "queries")
        self._pages = {
            (False, False): queries.page_messages,
            (True, False): queries.page_messages_from,
            (False, True): queries.page_messages_to,
            (True, True): queries.page_messages_from_to,
        }
        self._counts = {
            (False, False): queries.count_messages,
            (True, False): queries.count_messages_from,
            (False, True): queries.count_messages_to,
            (True, True): queries.count_messages_from_to,
        }
        connection_sql = (folder / "connection.sql").read_text("utf-8")
        uri = path.absolute().as_uri()

        def connector(mode: str) -> Callable[[], Awaitable[Connection]]:
            return lambda: Connection.open(f"{uri}?mode={mode}", connection_sql, queries)

        self._writer = Pool(1, connector("rwc"))
        self._readers = Pool(READERS, connector("ro"))

    async def open(self) -> None:
        """Make the file where there is none, migrate it, and prove that it reads and writes.

        Raises DatabaseError, which names the path and what is wrong with it.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            await self._writer.run(self._migrate)
            await self.check()
        except (OSError, StoreError, DatabaseError) as error:
            await self.close()
            reason = error.strerror if isinstance(error, OSError) else error
            raise DatabaseError(f"DATABASE_URL: can't use {self._path}: {reason}") from error

    async def insert(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `store.port.Store.insert`."""
        return await self._writer.run(lambda connection: self._insert(connection, messages))

    async def page(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> list[Row]:
        """See `store.port.Store.page`."""
        return await self._readers.run(
            lambda connection: self._page(connection, chosen, after, offset, limit)
        )

    async def page_and_count(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.port.Store.page_and_count`."""

        def read(connection: sqlite3.Connection) -> tuple[list[Row], int]:
            rows = self._page(connection, chosen, after, offset, limit)
            return rows, self._count(connection, chosen)

        return await self._readers.run(lambda connection: self._snapshot(connection, read))

    async def totals(self) -> Totals:
        """See `store.port.Store.totals`."""

        def read(connection: sqlite3.Connection) -> Totals:
            counts = connection.execute(self._queries.read_totals).fetchone()
            messages, senders, first_ts, last_ts = counts
            top_senders = connection.execute(self._queries.top_senders).fetchall()
            return Totals(messages, senders, first_ts, last_ts, top_senders)

        return await self._readers.run(lambda connection: self._snapshot(connection, read))

    async def check(self) -> None:
        """See `store.port.Store.check`."""
        queries, now = self._queries, {"now": _now()}
        await self._writer.run(lambda raw: raw.execute(queries.write_probe, now))
        await self._readers.run(lambda raw: raw.execute(queries.read_totals).fetchall())

    async def close(self) -> None:
        """Close the readers, then the writer, which moves what the log holds into the database."""
        await self._readers.close()
        await self._writer.close()

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
            for statement in split_statements(migration.sql):
                connection.execute(statement).fetchall()
        except driver.Error as error:
            raise DatabaseError(f"{migration.name} failed and was undone: {error}") from error
        number, name, digest, _ = migration
        record = {"number": number, "name": name, "digest": digest, "now": _now()}
        connection.execute(self._queries.record_migration, record)

    def _insert(self, connection: sqlite3.Connection, messages: Sequence[Message]) -> list[Outcome]:
        first = first_of_each(messages)
        created_at = self._next_created_at()
        batch = {"batch": _encode(list(first.values())).decode(), "created_at": created_at}
        created_count = connection.execute(self._queries.insert_messages, batch).rowcount
        if created_count == len(messages):
            return [Outcome.CREATED] * created_count
        ids = {"message_ids": _encode(list(first)).decode(), "created_at": created_at}
        found = connection.execute(self._queries.find_messages, ids).fetchone()
        return classify(messages, first, created_count, _decode_rows(found[0]))

    def _next_created_at(self) -> int:
        """The instant that marks a batch: the clock's, but later than the last batch's."""
        self._created_at = max(_now(), self._created_at + 1)
        return self._created_at

    def _page(
        self,
        connection: sqlite3.Connection,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
    ) -> list[Row]:
        since = Position(chosen.since, "")
        start = since if after is None else max(since, after)
        sql = self._pages[chosen.from_msisdn is not None, chosen.to_msisdn is not None]
        parameters = _parameters(chosen) | {
            "after_ts": start.ts,
            "after_message_id": start.message_id,
            "limit": limit,
            "offset": offset,
        }
        return [Row(*row) for row in connection.execute(sql, parameters).fetchall()]

    def _count(self, connection: sqlite3.Connection, chosen: Filter) -> int:
        sql = self._counts[chosen.from_msisdn is not None, chosen.to_msisdn is not None]
        if chosen == Filter():
            sql = self._queries.read_totals
        elif chosen == Filter(from_msisdn=chosen.from_msisdn):
            sql = self._queries.count_messages_of_sender
        row = connection.execute(sql, _parameters(chosen)).fetchone()
        return int(row[0]) if row else 0

    def _snapshot(
        self, connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]
    ) -> T:
        connection.execute(self._queries.begin_read)
        try:
            return read(connection)
        finally:
            connection.rollback()


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole function in its thread.

    A hop to the thread and back costs as much as a small query, and a statement that follows
    another one in the same function can't be separated from it by a cancelled request.
    """

    @classmethod
    async def open(cls, uri: str, connection_sql: str, queries: Queries) -> "Connection":
        """Connect, apply `connection_sql`, and raise StoreError where it did not take."""
        connection = cls(lambda: driver.connect(uri, uri=True, isolation_level=None), ROWS_A_FETCH)
        try:
            await connection
        except BaseException:
            # Its thread was told to end; without this, it could outlive the event loop it reports to.
            await asyncio.to_thread(connection._thread.join)
            raise
        try:
            await connection.run(lambda raw: _configure(raw, connection_sql, queries))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """What `function` returns, called with the raw connection in the connection's thread."""
        result: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return result


class Pool:
    """A fixed number of connections, each in one pair of hands at a time.

    They open when they are first needed; one that failed is closed and opened anew, since after an
    I/O error nothing that a connection believes about its file is certain.
    """

    def __init__(self, size: int, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._idle: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        self._size = size
        for _ in range(size):
            self._idle.put_nowait(None)

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with a connection that nobody else uses; raises StoreError."""
        async with self._borrowed() as connection:
            return await connection.run(lambda raw: _rolling_back(raw, function))

    async def close(self) -> None:
        """Close every connection, waiting for those in use; safe to call twice."""
        for _ in range(self._size):
            connection = await self._idle.get()
            if connection is not None:
                await connection.close()
        for _ in range(self._size):
            self._idle.put_nowait(None)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        connection = await self._idle.get()
        try:
            if connection is None:
                connection = await self._connect()
            yield connection
        except driver.Error as error:
            if connection is not None:
                await connection.close()
                connection = None
            raise StoreError(str(error)) from error
        finally:
            self._idle.put_nowait(connection)


def describe_driver() -> str:
    """The engine and its version, for `service_build_info`."""
    return f"sqlite {driver.sqlite_version}"


def warn_of_driver() -> str | None:
    """What is wrong with this SQLite, if anything: the WAL-reset bug (sqlite.org/wal.html)."""
    version = driver.sqlite_version_info
    mended = (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
    if mended:
        return None
    return (
        f"SQLite {driver.sqlite_version} can corrupt a database in WAL mode, rarely"
        " (sqlite.org/wal.html#walresetbug): use 3.51.3 or later, which the pysqlite3 wheel brings"
    )


def split_statements(sql: str) -> Iterator[str]:
    """The statements of a file one by one; knows comments, strings and triggers."""
    statement = ""
    for part in re.split("(?<=;)", sql):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _rolling_back(connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    try:
        return function(connection)
    except BaseException:
        # Some errors end the transaction, others leave it open: leave none, and hide no error.
        if connection.in_transaction:
            connection.rollback()
        raise


def _configure(connection: sqlite3.Connection, connection_sql: str, queries: Queries) -> None:
    for statement in split_statements(connection_sql):
        connection.execute(statement).fetchall()
    cursor = connection.execute(queries.read_connection)
    found = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    if found != EXPECTED_SETTINGS:
        raise StoreError(f"connection.sql did not take: {found}, not {EXPECTED_SETTINGS}")


def _parameters(chosen: Filter) -> dict[str, Any]:
    return {
        "from_msisdn": chosen.from_msisdn,
        "to_msisdn": chosen.to_msisdn,
        "since": chosen.since,
        "until": chosen.until,
        "q": chosen.q_folded,
    }


def _now() -> int:
    return time.time_ns() // 1_000
