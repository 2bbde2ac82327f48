"""One connection to SQLite: the driver, the connection's thread, and its settings."""

import asyncio
import os
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from service.store.interface import DatabaseLocked, DiskFailed, StoreDamaged, StoreError
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

NO_TEXT = "Could not decode to UTF-8"
"""So the driver's error begins. The text itself follows."""

BACKGROUND_NICENESS = 10

SETTINGS_SECONDS = 2
RETRY_SECONDS = 0.02


class TextDamaged(StoreDamaged):
    """A text is no UTF-8. SQLite checks no text: pages are damaged, or a program has stored it."""


class Options(NamedTuple):
    """How a connection is opened, and the settings that it must have then."""

    uri: str
    settings_sql: str
    expected: dict[str, Any] | None
    """The settings that `read_connection.sql` must find, if any."""

    attached_uri: str | None = None
    """A second database file. Its tables keep their names."""

    prepare_sql: str | None = None
    """Statements that run last."""

    is_background: bool = False
    """Its thread has a lower priority."""

    when_disk_fails: Callable[[DiskFailed], None] | None = None
    """Called after an I/O error, in the connection's thread, before anything else happens there."""

    when_damaged: Callable[[StoreDamaged], None] | None = None
    """Called in the connection's thread when a file is malformed."""

    before_open: Callable[[], None] | None = None
    """Called first, in the event loop; raises StoreError where the path names another file."""


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole function in its thread.

    A hop to the thread and back costs as much as a small query. And a cancelled request cannot
    separate two statements of one function.
    """

    def __init__(self, options: Options) -> None:
        """Not connected yet; use `open`."""

        def connect() -> Any:
            return driver.connect(options.uri, uri=True, isolation_level=None)

        super().__init__(connect, ROWS_A_FETCH)
        self._options = options

    @classmethod
    async def open(cls, options: Options, queries: SqliteQueries) -> "Connection":
        """Connect and configure. Raises StoreError, also for a setting that did not take."""
        if options.before_open is not None:
            options.before_open()
        connection = cls(options)
        try:
            await connection
        except BaseException as error:
            # The thread was told to end. It must not outlive the event loop that it reports to.
            await asyncio.to_thread(connection._thread.join)
            if isinstance(error, driver.Error):
                raise store_error(error) from error
            raise
        try:
            await connection.run(lambda raw: _configure(raw, options, queries))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with the raw connection in the connection's thread.

        A transaction that an error leaves open is rolled back. Raises StoreError for the driver's
        errors.
        """
        when_disk_fails, when_damaged = self._options.when_disk_fails, self._options.when_damaged

        def run(raw: sqlite3.Connection) -> T:
            try:
                return function(raw)
            except BaseException as error:
                failure = store_error(error) if isinstance(error, driver.Error) else error
                if when_disk_fails and isinstance(failure, DiskFailed):
                    when_disk_fails(failure)
                if when_damaged and isinstance(failure, StoreDamaged):
                    when_damaged(failure)
                if raw.in_transaction:
                    raw.rollback()
                if failure is error:
                    raise
                raise failure from error

        result: T = await self._execute(run, self._conn)  # type: ignore[no-untyped-call]
        return result

    def interrupt_now(self) -> None:
        """End the running statement, if there is one, with an error."""
        self._conn.interrupt()


def result_code(error: Any) -> int:
    """The primary result code of a driver's error; 0 if the driver gives none.

    Some drivers give an extended code, whose lowest byte is the primary one.
    """
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def store_error(error: Any) -> StoreError:
    """The StoreError of a driver's error."""
    if str(error).startswith(NO_TEXT):
        return TextDamaged("a text is no UTF-8")
    return ERRORS.get(result_code(error), StoreError)(str(error))


def describe_driver() -> str:
    """The engine and its version, for `service_build_info`."""
    return f"sqlite {driver.sqlite_version}"


def warn_of_driver() -> str | None:
    """A warning of the WAL-reset bug (sqlite.org/wal.html), where this SQLite has it."""
    version = driver.sqlite_version_info
    is_fixed = (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
    if is_fixed:
        return None
    return (
        f"SQLite {driver.sqlite_version} can corrupt a database in WAL mode, rarely"
        " (sqlite.org/wal.html#walresetbug): use 3.51.3 or later;"
        " docs/operations.md names the platforms where pip brings it"
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


def _configure(connection: sqlite3.Connection, options: Options, queries: SqliteQueries) -> None:
    _set(connection, options.settings_sql)
    cursor = connection.execute(queries.read_connection)
    found = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    if options.expected is not None and found != options.expected:
        raise StoreError(f"connection.sql did not take: {found}, not {options.expected}")
    if options.attached_uri:
        connection.execute(queries.attach, {"uri": options.attached_uri})
    if options.prepare_sql:
        execute_all(connection, options.prepare_sql)
    if options.is_background and sys.platform == "linux":
        # Only Linux has a priority for each thread. Where it is refused, all stay equal.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)


def _set(connection: sqlite3.Connection, settings_sql: str) -> None:
    """Run `connection.sql`, again and again for a moment while the database is locked.

    SQLite ignores busy_timeout when it turns a new database to WAL: of several processes that start
    at once, all but one are refused for some milliseconds.
    """
    deadline = time.monotonic() + SETTINGS_SECONDS
    while True:
        try:
            execute_all(connection, settings_sql)
            return
        except driver.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)
