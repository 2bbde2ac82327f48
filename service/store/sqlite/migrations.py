"""Runs migrations on an SQLite file, each together with the row that records it."""

import sqlite3
import time

from service.errors import DatabaseError
from service.store.interface import DiskFailed
from service.store.migrate import Migration, choose_pending
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import driver, execute_all, store_error


def migrate(
    connection: sqlite3.Connection, queries: SqliteQueries, migrations: list[Migration]
) -> None:
    """Run every pending migration. Raises DatabaseError."""
    connection.execute(queries.create_migrations)
    while _migrate_once(connection, queries, migrations):
        pass


def _migrate_once(
    connection: sqlite3.Connection, queries: SqliteQueries, migrations: list[Migration]
) -> bool:
    """Run the next one, if any. The list is read under the write lock: another process may have
    just migrated."""
    connection.execute(queries.begin_write)
    applied = connection.execute(queries.list_migrations).fetchall()
    pending = choose_pending(migrations, applied)
    if pending:
        _apply(connection, queries, pending[0])
    connection.commit()
    return bool(pending)


def _apply(connection: sqlite3.Connection, queries: SqliteQueries, migration: Migration) -> None:
    number, name, digest, sql = migration
    try:
        execute_all(connection, sql)
    except driver.Error as error:
        if isinstance(store_error(error), DiskFailed):
            raise
        raise DatabaseError(f"{name} failed and was undone: {error}") from error
    now = time.time_ns() // 1_000
    record = {"number": number, "name": name, "digest": digest, "now": now}
    connection.execute(queries.record_migration, record)
