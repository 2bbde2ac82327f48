"""The store on PostgreSQL: several instances may use one database, with a few connections each."""

import asyncio
import math
import random
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec

from service.errors import DatabaseError
from service.messages.message import Message
from service.store.interface import (
    DatabaseSilent,
    Filter,
    Outcome,
    Position,
    QueryTimeout,
    Row,
    StoreError,
    Totals,
)
from service.store.migrate import Migration, choose_pending, load_migrations
from service.store.outcomes import classify, first_of_each
from service.store.postgres.connection import Server, Session, describe_error
from service.store.postgres.counts import Indexer
from service.store.postgres.pool import Pool
from service.store.postgres.reads import Reads
from service.store.queries import PostgresQueries, load_queries, sql_folder

BATCHES_IN_FLIGHT = 2
READERS = 4
SEARCHERS = 2
"""Reads at a time that may look at many messages; they leave a connection to all others."""

COMMIT_SECONDS_MAX = 5
"""A batch that is not stored by then is given up, and its senders are told to come again."""

MIGRATION_SECONDS_MAX = 3_600

COLUMNS = ("message_ids", "from_msisdns", "to_msisdns", "instants", "texts", "texts_folded")
"""The parameters of insert_messages.sql, in the order of a Message's fields."""

SLOW_SEARCH = "a search with q looks at one message after the other"

ATTEMPTS = 5
ATTEMPT_SECONDS = 0.02
"""A batch that the server refused for another transaction's sake is tried again after a random
time of up to this, twice as much each time."""

ENCODINGS = ("UTF8", "SQL_ASCII", None)
"""What any text can be stored in: SQL_ASCII takes all bytes as they are, and a server that does not
say is no PostgreSQL. With any other, a character that it lacks fails all of a batch."""

CREATED_AT_ONCE = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateObjectError,
)
"""What CREATE TABLE IF NOT EXISTS raises where another instance does the same at that moment.

Of 2,800 that lost such a race, 1,663 got the first, 21 the second and 79 the third.
"""


class PostgresStore:
    """A `store.port.Store` in one PostgreSQL database. `open` it first."""

    batches_in_flight = BATCHES_IN_FLIGHT

    def __init__(
        self,
        url: str,
        folder: Path | None = None,
        timeout_seconds: float = 5,
        allows_async_commit: bool = False,
    ) -> None:
        """`folder` holds the SQL: `sql/postgres`, where nothing else is said.

        A read that takes longer than `timeout_seconds` is stopped. Raises DatabaseError where a
        file of SQL is missing, not used, or misnamed.
        """
        folder = folder or sql_folder("postgres")
        self._timeout_seconds = timeout_seconds
        self._migrations = load_migrations(folder / "migrations")
        self._search_sql = (folder / "search.sql").read_text("utf-8")
        self._queries = load_queries(folder / "queries", PostgresQueries)
        self._server = Server(url, self._queries, allows_async_commit)
        self._writers = Pool(self._server, self.batches_in_flight)
        self._readers = Pool(self._server, READERS)
        self._searchers = Pool(self._server, SEARCHERS)
        background = Pool(self._server, 1)
        self._indexer = Indexer(background, self._queries)
        self._pools = (self._writers, self._readers, self._searchers, background)
        self._engine = "postgresql"
        self._search_trouble: str | None = None

    async def open(self) -> None:
        """Migrate, and prove that all reads and writes.

        Raises DatabaseError, which names the server and what is wrong with it.
        """
        for pool in self._pools:
            await pool.open()
        try:
            await self._writers.run(MIGRATION_SECONDS_MAX, self._migrate)
            await self.check()
        except (StoreError, DatabaseError) as error:
            await self.close()
            raise DatabaseError(f"DATABASE_URL: can't use {self._server.name}: {error}") from error
        self._indexer.start()

    @property
    def engine(self) -> str:
        """The server's name and version, once open."""
        return self._engine

    def warnings(self) -> list[tuple[str, str]]:
        """What an operator should know of this database: (event, message)."""
        if self._search_trouble is None:
            return []
        return [("slow_search", self._search_trouble)]

    async def insert(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `store.port.Store.insert`."""
        try:
            return await self._writers.run(
                COMMIT_SECONDS_MAX, lambda session: self._insert_patiently(session, messages)
            )
        except QueryTimeout as error:
            raise DatabaseSilent(str(error)) from error

    async def index_all(self) -> None:
        """See `store.port.Store.index_all`."""
        await self._indexer.index_all()

    def messages_behind(self) -> int:
        """See `store.port.Store.messages_behind`."""
        return self._indexer.messages_behind()

    def database_bytes(self) -> dict[str, int]:
        """See `store.port.Store.database_bytes`."""
        return {"main": self._indexer.database_bytes()}

    async def page(
        self,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
        seconds_max: float = math.inf,
    ) -> list[Row]:
        """See `store.port.Store.page`."""

        async def read(session: Session) -> list[Row]:
            return await self._reads(session, chosen).page(after, offset, limit)

        return await self._pool_for(chosen).run(min(seconds_max, self._timeout_seconds), read)

    async def page_and_count(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.port.Store.page_and_count`."""

        async def read(session: Session) -> tuple[list[Row], int]:
            return await self._reads(session, chosen).page_and_count(after, offset, limit)

        return await self._pool_for(chosen).run(self._timeout_seconds, read)

    async def totals(self) -> Totals:
        """See `store.port.Store.totals`."""

        async def read(session: Session) -> Totals:
            return await self._reads(session, Filter()).totals()

        return await self._readers.run(self._timeout_seconds, read)

    async def check(self) -> None:
        """See `store.port.Store.check`."""

        async def write(session: Session) -> None:
            await session.fetch(self._queries.write_probe)
            (found,) = await session.fetch(self._queries.read_connection)
            self._server.require_durability(found)

        async def read(session: Session) -> None:
            await session.fetch(self._queries.list_migrations)

        await asyncio.gather(
            self._writers.run(COMMIT_SECONDS_MAX, write),
            self._readers.run(COMMIT_SECONDS_MAX, read),
        )
        if self._indexer.trouble is not None:
            raise StoreError(f"the counts do not follow: {self._indexer.trouble}")

    async def close(self) -> None:
        """See `store.port.Store.close`."""
        await self._indexer.close()
        for pool in self._pools:
            await pool.close()
        await self._server.close()

    def _pool_for(self, chosen: Filter) -> Pool:
        return self._searchers if chosen.q_folded else self._readers

    def _reads(self, session: Session, chosen: Filter) -> Reads:
        return Reads(session, self._queries, chosen, self._indexer.has_texts)

    async def _insert_patiently(
        self, session: Session, messages: Sequence[Message]
    ) -> list[Outcome]:
        """Store a batch; again, as a whole, where the server gave it up for another's sake."""
        seconds = ATTEMPT_SECONDS
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._insert(session, messages)
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                await asyncio.sleep(random.uniform(0, seconds))  # noqa: S311
                seconds *= 2
        return await self._insert(session, messages)

    async def _insert(self, session: Session, messages: Sequence[Message]) -> list[Outcome]:
        first = first_of_each(messages)
        if not first:
            return []
        columns = zip(*map(msgspec.structs.astuple, first.values()), strict=True)
        batch = dict(zip(COLUMNS, columns, strict=True))
        (result,) = await session.fetch(self._queries.insert_messages, batch)
        self._server.require_durability(result)
        there = result["message_ids"]
        if not there and len(first) == len(messages):
            return [Outcome.CREATED] * len(messages)
        ids = {"message_ids": there}
        stored = await session.fetch(self._queries.find_messages, ids) if there else []
        created_count = len(first) - len(there)
        return classify(messages, first, created_count, [Row(*row) for row in stored])

    async def _migrate(self, session: Session) -> None:
        await self._require_encoding(session)
        await self._create_migrations(session)
        while await self._migrate_once(session):
            pass
        await self._prepare_search(session)

    async def _require_encoding(self, session: Session) -> None:
        """Raise DatabaseError where the database can't hold every text."""
        (server,) = await session.fetch(self._queries.read_server)
        if server["encoding"] not in ENCODINGS:
            raise DatabaseError(
                f"it is encoded in {server['encoding']}, and can't hold every character:"
                " create one with ENCODING 'UTF8' TEMPLATE template0"
            )

    async def _create_migrations(self, session: Session) -> None:
        """Make the list of migrations, and the row in it that all lock; others may do the same."""
        for is_last in (False, True):
            try:
                await session.run_script(self._queries.create_migrations)
                await session.run_script(self._queries.insert_migration_lock)
                return
            except CREATED_AT_ONCE:
                if is_last:
                    raise

    async def _migrate_once(self, session: Session) -> bool:
        """Run the next pending migration, if any, together with the row that records it."""
        async with session.transaction():
            await session.fetch(self._queries.lock_migrations)
            applied = await session.fetch(self._queries.list_migrations)
            pending = choose_pending(self._migrations, [tuple(row) for row in applied])
            if pending:
                await self._apply(session, pending[0])
        return bool(pending)

    async def _apply(self, session: Session, migration: Migration) -> None:
        try:
            await session.run_script(migration.sql)
        except asyncpg.PostgresError as error:
            reason = describe_error(error)
            raise DatabaseError(f"{migration.name} failed and was undone: {reason}") from error
        number, name, digest, _ = migration
        record = {"number": number, "name": name, "digest": digest}
        await session.fetch(self._queries.record_migration, record)

    async def _prepare_search(self, session: Session) -> None:
        """Make the index of texts, where the server can have one and there is none yet."""
        async with session.transaction():
            await session.fetch(self._queries.lock_migrations)
            (server,) = await session.fetch(self._queries.read_server)
            self._engine = " ".join(server["version"].split()[:2]).lower()
            self._indexer.has_texts = server["has_texts"]
            if not server["has_texts"] and server["has_trigrams"]:
                try:
                    async with session.transaction():
                        await session.run_script(self._search_sql)
                    self._indexer.has_texts = True
                except asyncpg.PostgresError as error:
                    self._search_trouble = f"{SLOW_SEARCH}: {describe_error(error)}"
        if not (server["has_texts"] or server["has_trigrams"]):
            self._search_trouble = f"{SLOW_SEARCH}: the server has no extension pg_trgm"
