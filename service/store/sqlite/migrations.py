"""Brings an SQLite file up to date: its migrations, and the folding of its texts."""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial

from service.errors import DatabaseError
from service.messages.message import encode
from service.messages.text import FOLDING, fold_if_other
from service.store.interface import DiskFailed, Warn
from service.store.migrate import WILL_FOLD, Migration, choose_pending
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import driver, execute_all, store_error
from service.store.sqlite.pool import Pool

CHUNK_MESSAGES = 5_000
"""So many are looked at for one transaction that folds texts again."""


def migrate(
    connection: sqlite3.Connection, queries: SqliteQueries, migrations: list[Migration]
) -> None:
    """Run every pending migration, each together with its record. Raises DatabaseError."""
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


async def fold_if_due(
    writer: Pool, queries: SqliteQueries, make_room: Callable[[], Awaitable[None]], warn: Warn
) -> None:
    """Fold all texts again if that was done by another version of `fold`."""

    def read(connection: sqlite3.Connection) -> tuple[int, int]:
        (version,) = connection.execute(queries.read_folding).fetchone()
        return version, _read_last_seq(connection, queries)

    version, last_seq = await writer.run(read)
    if version == FOLDING:
        return
    if last_seq:
        warn(*WILL_FOLD)
    await fold_texts(writer, queries, make_room)


async def fold_texts(
    writer: Pool, queries: SqliteQueries, make_room: Callable[[], Awaitable[None]]
) -> None:
    """Fold all texts again, also beside a running service. A text that is right stays as it is.

    `make_room` is called before each transaction.
    """
    end = await writer.run(lambda raw: _read_last_seq(raw, queries))
    for after_seq in range(0, end, CHUNK_MESSAGES):
        await make_room()
        chunk = {"after_seq": after_seq, "last_seq": after_seq + CHUNK_MESSAGES}
        await writer.run(partial(_fold_chunk, queries=queries, chunk=chunk))
    record = {"version": FOLDING}
    await writer.run(lambda raw: raw.execute(queries.record_folding, record))


def _read_last_seq(connection: sqlite3.Connection, queries: SqliteQueries) -> int:
    return int(connection.execute(queries.read_last_seq).fetchone()[0])


def _fold_chunk(
    connection: sqlite3.Connection, queries: SqliteQueries, chunk: dict[str, int]
) -> None:
    batch = [
        (seq, folded)
        for seq, text, stored in connection.execute(queries.find_texts_to_fold, chunk).fetchall()
        if (folded := fold_if_other(text)) != stored
    ]
    if batch:
        connection.execute(queries.update_folded_texts, {"batch": encode(batch).decode()})
