"""The databases of the store's tests: an empty one of each kind, and ways to spoil it."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
)
from enum import Enum
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import pytest

from service.messages.event import Event
from service.messages.message import Message
from service.store.access_paths import FEW_MESSAGES, READS_IN_A_ROW
from service.store.interface import Outcome, Store
from service.store.postgres import reads as postgres_reads
from service.store.postgres import store as postgres
from service.store.postgres.store import PostgresStore
from service.store.queries import sql_folder
from service.store.sqlite import reads as sqlite_reads
from service.store.sqlite.connection import driver
from service.store.sqlite.store import SqliteStore
from tests.support.postgres.databases import connected
from tests.support.postgres.suite import empty_database


class Database(Protocol):
    """One empty database. The next kind goes beside SqliteDatabase, into `DATABASES`."""

    def opened(self) -> AbstractAsyncContextManager[Store]:
        """A store that is open inside the `async with`. Several may be open at once."""
        ...

    def refusing(self, message_id: str) -> AbstractContextManager[None]:
        """Inside the `with`, the database raises an error if this message is inserted."""
        ...

    def ignoring(self, message_id: str) -> AbstractContextManager[None]:
        """Inside the `with`, the database ignores this message without an error."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Inside the `with`, another connection holds the write lock."""
        ...

    def execute(self, sql: str) -> None:
        """Run a statement, as an operator does in a shell."""
        ...


class Indexing(Enum):
    """How much is indexed, or counted, when messages are read."""

    ALONE = "as far as it gets"
    NEVER = "no message is indexed"
    BEFORE = "all but the last batch"
    AFTER = "all messages are indexed"


def steer(store: SqliteStore | PostgresStore, indexing: Indexing) -> None:
    """Make a store that is not open yet index as much as a test needs."""
    if indexing is Indexing.ALONE:
        return
    insert = store.insert

    async def insert_and_index(
        messages: Sequence[Message], events: Sequence[Event] = ()
    ) -> list[Outcome]:
        if indexing is Indexing.BEFORE:
            await store.index_all()
        outcomes = await insert(messages, events)
        if indexing is Indexing.AFTER:
            await store.index_all()
        return outcomes

    store._indexer.start = lambda: None  # type: ignore[method-assign]
    store.insert = insert_and_index  # type: ignore[method-assign]


class SqliteDatabase:
    """A file, and the service's own SQL with a shorter busy_timeout."""

    indexing = Indexing.ALONE
    few_messages = FEW_MESSAGES
    reads_in_a_row = READS_IN_A_ROW

    def __init__(self, folder: Path, stack: ExitStack | None = None) -> None:
        self.path = folder / "store.db"
        self.sql = folder / "sql"
        shutil.copytree(sql_folder("sqlite"), self.sql)
        with (self.sql / "connection.sql").open("a") as file:
            file.write("PRAGMA busy_timeout = 300;\n")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        store = SqliteStore(self.path, self.sql, timeout_seconds=60)
        steer(store, self.indexing)
        await store.open()
        try:
            with (
                patch.object(sqlite_reads, "FEW_MESSAGES", self.few_messages),
                patch.object(sqlite_reads, "READS_IN_A_ROW", self.reads_in_a_row),
            ):
                yield store
        finally:
            await store.close()

    def refusing(self, message_id: str) -> AbstractContextManager[None]:
        return self._sabotage(message_id, "RAISE(ABORT, 'refused by the test')")

    def ignoring(self, message_id: str) -> AbstractContextManager[None]:
        return self._sabotage(message_id, "RAISE(IGNORE)")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(self.connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.rollback()

    def execute(self, sql: str) -> None:
        with closing(self.connect()) as connection:
            connection.execute(sql)

    def rewrite(self, file: str, old: str, new: str) -> None:
        """Change a file of this database's SQL."""
        text = (self.sql / file).read_text("utf-8")
        assert old in text
        (self.sql / file).write_text(text.replace(old, new), "utf-8")

    def connect(self) -> Any:
        """A connection of its own.

        The store's own driver: two SQLite libraries in one process do not see each other's locks.
        """
        return driver.connect(self.path, isolation_level=None)

    @contextmanager
    def _sabotage(self, message_id: str, action: str) -> Iterator[None]:
        with closing(self.connect()) as connection:
            connection.execute(
                "CREATE TRIGGER sabotage BEFORE INSERT ON messages"
                f" WHEN NEW.message_id = '{message_id}' BEGIN SELECT {action}; END"
            )
            yield
            connection.execute("DROP TRIGGER sabotage")


class SqliteUnindexed(SqliteDatabase):
    indexing = Indexing.NEVER


class SqliteMixed(SqliteDatabase):
    indexing = Indexing.BEFORE


class SqliteIndexed(SqliteDatabase):
    indexing = Indexing.AFTER


class SqliteCommonTexts(SqliteIndexed):
    """Every text counts as a common one, and every scan as an expensive one."""

    few_messages = 0
    reads_in_a_row = 1


class PostgresDatabase:
    """A database on a server, and the service's own SQL."""

    indexing = Indexing.ALONE
    few_messages = FEW_MESSAGES
    reads_in_a_row = READS_IN_A_ROW
    has_trigrams = False

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.sql = folder / "sql"
        shutil.copytree(sql_folder("postgres"), self.sql)
        self.url = stack.enter_context(empty_database(self.has_trigrams))
        stack.enter_context(patch.object(postgres, "COMMIT_SECONDS_MAX", 2))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        store = PostgresStore(self.url, self.sql, timeout_seconds=60, allows_async_commit=True)
        steer(store, self.indexing)
        await store.open()
        try:
            with (
                patch.object(postgres_reads, "FEW_MESSAGES", self.few_messages),
                patch.object(postgres_reads, "READS_IN_A_ROW", self.reads_in_a_row),
            ):
                yield store
        finally:
            await store.close()

    def refusing(self, message_id: str) -> AbstractContextManager[None]:
        return self._sabotage(message_id, "RAISE EXCEPTION 'refused by the test'")

    def ignoring(self, message_id: str) -> AbstractContextManager[None]:
        return self._sabotage(message_id, "RETURN NULL")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with connected(self.url) as run:
            run("BEGIN")
            run("LOCK TABLE messages, probe IN EXCLUSIVE MODE")
            yield
            run("ROLLBACK")

    def execute(self, sql: str) -> None:
        with connected(self.url) as run:
            run(sql)

    def rewrite(self, file: str, old: str, new: str) -> None:
        """Change a file of this database's SQL."""
        text = (self.sql / file).read_text("utf-8")
        assert old in text
        (self.sql / file).write_text(text.replace(old, new), "utf-8")

    @contextmanager
    def _sabotage(self, message_id: str, action: str) -> Iterator[None]:
        with connected(self.url) as run:
            run(
                "CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" BEGIN IF NEW.message_id = '{message_id}' THEN {action}; END IF;"
                " RETURN NEW; END $$;"
                " CREATE TRIGGER sabotage BEFORE INSERT ON messages"
                " FOR EACH ROW EXECUTE FUNCTION sabotage()"
            )
            yield
            run("DROP FUNCTION sabotage CASCADE")


class PostgresMixed(PostgresDatabase):
    indexing = Indexing.BEFORE
    has_trigrams = True


class PostgresCommonTexts(PostgresDatabase):
    """All is indexed. Every text counts as a common one, and every scan as an expensive one."""

    indexing = Indexing.AFTER
    few_messages = 0
    reads_in_a_row = 1
    has_trigrams = True


DATABASES: dict[str, type[SqliteDatabase] | type[PostgresDatabase]] = {
    "sqlite": SqliteDatabase,
    "sqlite-unindexed": SqliteUnindexed,
    "sqlite-mixed": SqliteMixed,
    "sqlite-indexed": SqliteIndexed,
    "sqlite-common-texts": SqliteCommonTexts,
    "postgres": PostgresDatabase,
    # After one batch nothing is indexed; after several, all but the last.
    "postgres-mixed": PostgresMixed,
    "postgres-common-texts": PostgresCommonTexts,
}

one_of_each_kind = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
"""For tests that do not depend on how much is indexed."""

needs_the_wheel = pytest.mark.skipif(
    driver is sqlite3, reason="the kept plans are those of the SQLite that pysqlite3 brings"
)
