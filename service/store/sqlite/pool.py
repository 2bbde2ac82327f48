"""Connections to SQLite: the driver, a thread for each, and what every one of them is set to."""

import asyncio
import os
import re
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, NamedTuple, Self, TypeVar

import aiosqlite

from service.store.interface import (
    DatabaseLocked,
    DiskFailed,
    QueryTimeout,
    StoreDamaged,
    StoreError,
)
from service.store.queries import SqliteQueries

try:
    from pysqlite3 import dbapi2  # a current SQLite, where it has a wheel
except ImportError:
    dbapi2 = sqlite3  # Python's own: whatever SQLite the system has

driver: Any = dbapi2

T = TypeVar("T")

ROWS_A_FETCH = 64
ERRORS = {
    sqlite3.SQLITE_IOERR: DiskFailed,
    sqlite3.SQLITE_CORRUPT: StoreDamaged,
    sqlite3.SQLITE_NOTADB: StoreDamaged,
    sqlite3.SQLITE_BUSY: DatabaseLocked,
    sqlite3.SQLITE_LOCKED: DatabaseLocked,
}
"""By SQLite's primary result code (sqlite.org/rescode.html); every other one is a StoreError."""

INTERRUPT_AGAIN_SECONDS = 0.05
"""A statement that begins just behind an interrupt does not see it: interrupt until it is over."""

BACKGROUND_NICENESS = 10

SETTINGS_SECONDS = 2
RETRY_SECONDS = 0.02


class Options(NamedTuple):
    """How a connection is opened, and what it must find when that is done."""

    uri: str
    settings_sql: str
    expected: dict[str, Any]
    attached_uri: str | None = None
    """Another file, whose tables are then there under their own names."""

    prepare_sql: str | None = None
    """Statements that run when all else is done."""

    is_background: bool = False
    """Its thread leaves the processor to the others, where there is not enough for all."""


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole function in its thread.

    A hop to the thread and back costs as much as a small query, and a statement that follows
    another one in the same function can't be separated from it by a cancelled request.
    """

    @classmethod
    async def open(cls, options: Options, queries: SqliteQueries) -> "Connection":
        """Connect and configure; raises StoreError where a setting did not take."""

        def connect() -> Any:
            return driver.connect(options.uri, uri=True, isolation_level=None)

        connection = cls(connect, ROWS_A_FETCH)
        try:
            await connection
        except BaseException:
            # Its thread was told to end; it must not outlive the event loop that it reports to.
            await asyncio.to_thread(connection._thread.join)
            raise
        try:
            await connection.run(lambda raw: _configure(raw, options, queries))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """What `function` returns, called with the raw connection in the connection's thread."""
        result: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return result

    def interrupt_now(self) -> None:
        """End the statement that runs, if one does, with an error."""
        self._conn.interrupt()


class Pool:
    """A fixed number of connections, each in one pair of hands at a time, in the order of asking.

    They open when they are first needed; one that failed is closed and opened anew, since after an
    I/O error nothing that a connection believes about its file is certain.
    """

    def __init__(self, size: int, options: Options, queries: SqliteQueries) -> None:
        self._options = options
        self._queries = queries
        self._size = size
        self._idle: list[Connection | None] = [None] * size
        # Not a queue: who gives a connection back and asks again at once would take it again, and
        # whoever waits for it would wait as long as there is load.
        self._turns = asyncio.Semaphore(size)
        self._is_open = asyncio.Event()
        self._is_open.set()

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with a connection that nobody else uses; raises StoreError."""
        async with self._borrowed() as connection:
            return await connection.run(lambda raw: _rolling_back(raw, function))

    async def run_for(self, seconds: float, function: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`; when the time is up, waiting included, it is stopped with QueryTimeout."""
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline) as waiting, self._borrowed() as connection:
                waiting.reschedule(None)
                with _Interrupter(connection, deadline) as interrupter:
                    try:
                        return await connection.run(lambda raw: _rolling_back(raw, function))
                    except asyncio.CancelledError:
                        # Nobody waits for it any more, but its thread goes on, and closing waits.
                        interrupter.interrupt()
                        await connection.run(lambda _: None)
                        raise
        except TimeoutError as error:
            raise QueryTimeout(f"no answer within {seconds:g} s") from error

    async def close(self) -> None:
        """Close every connection, waiting for those in use; safe to call twice."""
        async with self.emptied():
            pass

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Inside, no connection is in use; who wants one, or waited for one before, waits."""
        self._is_open.clear()
        try:
            async with AsyncExitStack() as turns:
                for _ in range(self._size):
                    await turns.enter_async_context(self._turns)
                yield
        finally:
            self._is_open.set()

    @asynccontextmanager
    async def emptied(self) -> AsyncIterator[None]:
        """As `close`; inside the `async with` none is opened, and who needs one waits."""
        async with self.paused():
            for place, connection in enumerate(self._idle):
                if connection is not None:
                    self._idle[place] = None
                    await connection.close()
            yield

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        while True:
            await self._is_open.wait()
            async with self._turns:
                if self._is_open.is_set():
                    yield
                    return
            # A pause began meanwhile, and comes first.

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        async with self._turn():
            connection = self._idle.pop()
            try:
                if connection is None:
                    connection = await Connection.open(self._options, self._queries)
                yield connection
            except driver.Error as error:
                if connection is not None:
                    await connection.close()
                    connection = None
                raise store_error(error) from error
            finally:
                self._idle.append(connection)


class _Interrupter:
    """Stops what a connection does when its time is up; inside the `with`, errors of that kind are
    TimeoutError."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(deadline, self.interrupt)
        self._has_interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._timer.cancel()
        if self._has_interrupted and isinstance(error, driver.Error):
            raise TimeoutError from error

    def interrupt(self) -> None:
        """Stop it now, and whatever it begins from now on."""
        self._timer.cancel()
        self._has_interrupted = True
        self._connection.interrupt_now()
        self._timer = self._loop.call_later(INTERRUPT_AGAIN_SECONDS, self.interrupt)


def store_error(error: Any) -> StoreError:
    """The StoreError of a driver's error. Only the lowest byte of the code is used: pysqlite3 gives
    no other."""
    kind = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    return ERRORS.get(kind, StoreError)(str(error))


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


def execute_all(connection: sqlite3.Connection, sql: str) -> None:
    """Run the statements of a file one by one, as `executescript` does, but commit nothing."""
    for statement in split_statements(sql):
        connection.execute(statement).fetchall()


def _rolling_back(connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    try:
        return function(connection)
    except BaseException:
        # Some errors end the transaction, others leave it open: leave none, and hide no error.
        if connection.in_transaction:
            connection.rollback()
        raise


def _configure(connection: sqlite3.Connection, options: Options, queries: SqliteQueries) -> None:
    _set(connection, options.settings_sql)
    cursor = connection.execute(queries.read_connection)
    found = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    if found != options.expected:
        raise StoreError(f"connection.sql did not take: {found}, not {options.expected}")
    if options.attached_uri:
        connection.execute(queries.attach, {"uri": options.attached_uri})
    if options.prepare_sql:
        execute_all(connection, options.prepare_sql)
    if options.is_background and sys.platform == "linux":
        # Only there a thread has a priority of its own; where it is refused, all have the same.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)


def _set(connection: sqlite3.Connection, settings_sql: str) -> None:
    """Run `connection.sql`, again where it finds the database locked.

    To make a new database one with a log, SQLite waits for nobody, whatever the busy_timeout: of
    several processes that start at once all but one are refused, for some milliseconds.
    """
    deadline = time.monotonic() + SETTINGS_SECONDS
    while True:
        try:
            execute_all(connection, settings_sql)
            return
        except driver.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)
