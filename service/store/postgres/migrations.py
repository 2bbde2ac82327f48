"""Brings a database up to date: its encoding, migrations, folded texts, and index of texts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from service.errors import DatabaseError
from service.messages.text import FOLDING, fold_if_other
from service.store.interface import INSTANT_MIN, Warn
from service.store.migrate import (
    WILL_FOLD,
    Migration,
    choose_pending,
    load_migrations,
    require_current,
    require_folded,
)
from service.store.postgres.connection import Connection
from service.store.postgres.errors import describe_error
from service.store.queries import PostgresQueries

ENCODINGS = ("UTF8", "SQL_ASCII", None)
"""Encodings that hold any text. SQL_ASCII stores bytes as they are, and None is a relative of
PostgreSQL that does not say. With any other, a character that it lacks would fail a whole batch."""

CREATED_AT_ONCE = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateObjectError,
)
"""What CREATE TABLE IF NOT EXISTS raises when another instance creates the table at that moment.

Of 2,800 instances that lost such a race, 1,663 got the first error, 21 the second, 79 the third.
"""

CHUNK_MESSAGES = 1_000
"""So many are looked at for one transaction that folds texts again."""

Place = dict[str, Any]
"""The parameters that name a place in the order of all messages."""

FIRST_PLACE: Place = {"after_ts": INSTANT_MIN, "after_message_id": ""}

SLOW_SEARCH = "a search with q reads one message after another"


class Database(NamedTuple):
    """What the store must know of a database that is up to date."""

    engine: str
    """The server's name and version."""
    has_texts: bool
    """Whether there is an index of texts."""
    trouble: str | None
    """Why there is none."""


class Migrator:
    """Runs `migrations/` and `search.sql` of a folder of SQL."""

    def __init__(self, folder: Path, queries: PostgresQueries, warn: Warn) -> None:
        """Raises DatabaseError if a migration is misnamed."""
        self._migrations = load_migrations(folder / "migrations")
        self._search_sql = (folder / "search.sql").read_text("utf-8")
        self._queries = queries
        self._warn = warn

    async def migrate(self, connection: Connection) -> Database:
        """Run what is pending, each file in a transaction. Several instances may do so at once.

        Raises DatabaseError if the database can't hold every text, is newer than this code, or if
        a migration fails.
        """
        (server,) = await connection.fetch(self._queries.read_server)
        if server["encoding"] not in ENCODINGS:
            raise DatabaseError(
                f"it is encoded in {server['encoding']}, and can't hold every character:"
                " create one with ENCODING 'UTF8' TEMPLATE template0"
            )
        await self.create_list(connection)
        while await self._migrate_once(connection):
            pass
        await self._fold_if_due(connection)
        return await self._prepare_search(connection)

    async def inspect(self, connection: Connection) -> Database:
        """Look at a database without writing; raises DatabaseError unless it is up to date."""
        try:
            applied = await self._list_applied(connection)
        except asyncpg.UndefinedTableError:
            applied = []
        require_current(self._migrations, applied)
        (folding,) = await connection.fetch(self._queries.read_folding)
        require_folded(folding["version"])
        (server,) = await connection.fetch(self._queries.read_server)
        return Database(_name_engine(server), server["has_texts"], trouble=None)

    async def fold_texts(self, connection: Connection) -> None:
        """Fold all texts again, also beside running instances."""
        place: Place | None = FIRST_PLACE
        while place is not None:
            place = await self._fold_chunk(connection, place)
        await connection.fetch(self._queries.record_folding, {"version": FOLDING})

    async def create_list(self, connection: Connection) -> None:
        """Create the list of migrations, and its row that is locked; others may do the same."""
        for is_last in (False, True):
            try:
                await connection.run_script(self._queries.create_migrations)
                await connection.run_script(self._queries.insert_migration_lock)
                return
            except CREATED_AT_ONCE:
                if is_last:
                    raise

    async def _migrate_once(self, connection: Connection) -> bool:
        """Run the next pending migration, if any, and record it in the same transaction."""
        async with connection.transaction():
            await connection.fetch(self._queries.lock_migrations)
            pending = choose_pending(self._migrations, await self._list_applied(connection))
            if pending:
                await self._apply(connection, pending[0])
        return bool(pending)

    async def _list_applied(self, connection: Connection) -> list[tuple[int, str, str]]:
        rows = await connection.fetch(self._queries.list_migrations)
        return [(row["number"], row["name"], row["digest"]) for row in rows]

    async def _apply(self, connection: Connection, migration: Migration) -> None:
        try:
            await connection.run_script(migration.sql)
        except asyncpg.PostgresError as error:
            reason = describe_error(error)
            raise DatabaseError(f"{migration.name} failed and was undone: {reason}") from error
        number, name, digest, _ = migration
        record = {"number": number, "name": name, "digest": digest}
        await connection.fetch(self._queries.record_migration, record)

    async def _fold_if_due(self, connection: Connection) -> None:
        """Fold all texts again if that was done by another version of `fold`.

        Several instances may do so at once: a text that is right stays as it is.
        """
        (folding,) = await connection.fetch(self._queries.read_folding)
        if folding["version"] == FOLDING:
            return
        if await connection.fetch(self._queries.find_texts_to_fold, FIRST_PLACE | {"limit": 1}):
            self._warn(*WILL_FOLD)
        await self.fold_texts(connection)

    async def _fold_chunk(self, connection: Connection, place: Place) -> Place | None:
        """Fold the texts of the messages after a place; gives the place of the last of them."""
        async with connection.transaction():
            await connection.fetch(self._queries.lock_migrations)
            limit = {"limit": CHUNK_MESSAGES}
            rows = await connection.fetch(self._queries.find_texts_to_fold, place | limit)
            changed = {
                row["message_id"]: folded
                for row in rows
                if row["is_due"] and (folded := fold_if_other(row["text"])) != row["folded_text"]
            }
            if changed:
                columns = {"message_ids": list(changed), "folded_texts": list(changed.values())}
                await connection.fetch(self._queries.update_folded_texts, columns)
        if not rows:
            return None
        return {"after_ts": rows[-1]["ts"], "after_message_id": rows[-1]["message_id"]}

    async def _prepare_search(self, connection: Connection) -> Database:
        """Make the index of texts, if there is none and the server can have one."""
        async with connection.transaction():
            await connection.fetch(self._queries.lock_migrations)
            (server,) = await connection.fetch(self._queries.read_server)
            engine = _name_engine(server)
            if server["has_texts"]:
                return Database(engine, has_texts=True, trouble=None)
            if not server["has_trigrams"]:
                trouble = f"{SLOW_SEARCH}: the server has no extension pg_trgm"
                return Database(engine, has_texts=False, trouble=trouble)
            try:
                async with connection.transaction():
                    await connection.run_script(self._search_sql)
            except asyncpg.PostgresError as error:
                trouble = f"{SLOW_SEARCH}: {describe_error(error)}"
                return Database(engine, has_texts=False, trouble=trouble)
            return Database(engine, has_texts=True, trouble=None)


def _name_engine(server: Mapping[str, Any]) -> str:
    """As "postgresql 17.10"."""
    return " ".join(server["version"].split()[:2]).lower()
