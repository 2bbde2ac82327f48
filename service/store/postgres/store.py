"""The store on PostgreSQL. Several instances may use one database, each with a few connections."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg

from service.errors import DatabaseError
from service.messages.event import Event
from service.messages.message import Message
from service.store.interface import (
    PROBE_SECONDS,
    PROOF_SECONDS,
    DatabaseSilent,
    Filter,
    Mended,
    Outcome,
    Position,
    QueryTimeout,
    Row,
    StoreError,
    Totals,
    Warn,
    ignore_warning,
)
from service.store.postgres.connection import Connection
from service.store.postgres.events import EventReader
from service.store.postgres.indexer import Indexer
from service.store.postgres.migrations import Database, Migrator
from service.store.postgres.pool import Pool
from service.store.postgres.reads import Reads
from service.store.postgres.server import Server
from service.store.postgres.writes import Writes
from service.store.queries import PostgresQueries, load_queries, sql_folder

T = TypeVar("T")

BATCHES_IN_FLIGHT = 2
READERS = 4
SEARCHERS = 2
"""Connections for searches, which may read many messages: other reads have their own."""

COMMIT_SECONDS_MAX = 5
"""A batch that is not stored by then is given up, and its webhooks get 503."""

MIGRATION_SECONDS_MAX = 3_600

ATTEMPTS = 5
ATTEMPT_SECONDS = 0.02
"""A batch that conflicts with another transaction is tried again, after a random time of up to
this. The bound doubles with each attempt."""


class PostgresStore(EventReader):
    """A `store.interface.Store` in one PostgreSQL database. `open` it first."""

    batches_in_flight = BATCHES_IN_FLIGHT

    def __init__(
        self,
        url: str,
        folder: Path | None = None,
        timeout_seconds: float = 5,
        allows_async_commit: bool = False,
        warn: Warn = ignore_warning,
    ) -> None:
        """`folder` holds the SQL, `sql/postgres` by default. A read ends after `timeout_seconds`.

        Raises DatabaseError if a file of SQL is missing, unused or misnamed.
        """
        folder = folder or sql_folder("postgres")
        self._timeout_seconds = timeout_seconds
        self._queries = load_queries(folder / "queries", PostgresQueries)
        self._migrator = Migrator(folder, self._queries, warn)
        self._server = Server(url, self._queries, allows_async_commit)
        self._writers = Pool(self._server, self.batches_in_flight)
        self._readers = Pool(self._server, READERS)
        self._searchers = Pool(self._server, SEARCHERS)
        self._prober = Pool(self._server, 1)
        background = Pool(self._server, 1)
        self._indexer = Indexer(background, self._queries, warn)
        self._pools = (self._writers, self._readers, self._searchers, self._prober, background)
        self._database = Database("postgresql", has_texts=False, trouble=None)
        self._stored_at = float("-inf")
        """When the last batch was stored, unless one has failed since."""

    async def open(self) -> None:
        """Migrate, and prove that the database reads and writes.

        Raises DatabaseError, which names the server and what is wrong with it.
        """
        async with self._opening():
            self._database = await self._writers.run(MIGRATION_SECONDS_MAX, self._migrator.migrate)
            await self._prober.run(COMMIT_SECONDS_MAX, self._probe)
        self._indexer.has_texts = self._database.has_texts
        self._indexer.start()

    async def open_to_read(self) -> None:
        """Change nothing; the right to SELECT is enough. Raises DatabaseError."""
        async with self._opening():
            self._database = await self._readers.run(COMMIT_SECONDS_MAX, self._migrator.inspect)
        self._indexer.has_texts = self._database.has_texts

    @property
    def engine(self) -> str:
        """The server's name and version, once open."""
        return self._database.engine

    def warnings(self) -> list[tuple[str, str]]:
        """What an operator should know of this database: (event, message)."""
        found = []
        if (trouble := self._database.trouble) is not None:
            found.append(("slow_search", trouble))
        if self._server.ignored:
            names = ", ".join(self._server.ignored)
            found.append(("database_url", f"without effect in DATABASE_URL: {names}"))
        return found

    async def insert(
        self, messages: Sequence[Message], events: Sequence[Event] = ()
    ) -> list[Outcome]:
        """See `store.interface.Store.insert`."""
        return await self._write(lambda writes: writes.insert(messages, events))

    async def resolve(self, mended: Sequence[Mended]) -> list[Outcome]:
        """See `store.interface.Store.resolve`."""
        return await self._write(lambda writes: writes.resolve(mended))

    async def index_all(self) -> None:
        """See `store.interface.Store.index_all`."""
        await self._indexer.index_all()

    async def reindex(self) -> None:
        """See `store.interface.Store.reindex`: folds all texts and counts all messages again."""
        await self._writers.run(MIGRATION_SECONDS_MAX, self._migrator.fold_texts)
        await self._writers.run(MIGRATION_SECONDS_MAX, self._recount)

    def messages_behind(self) -> int:
        """See `store.interface.Store.messages_behind`."""
        return self._indexer.messages_behind()

    def checkpoint_blocked_seconds(self) -> float:
        """See `store.interface.Store.checkpoint_blocked_seconds`: the server's own matter."""
        return 0

    def database_bytes(self) -> dict[str, int]:
        """See `store.interface.Store.database_bytes`."""
        return {"main": self._indexer.database_bytes()}

    async def page(
        self,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
        seconds_max: float = math.inf,
    ) -> list[Row]:
        """See `store.interface.Store.page`."""

        async def read(connection: Connection) -> list[Row]:
            return await self._reads(connection, chosen).page(after, offset, limit)

        return await self._pool_for(chosen).run(min(seconds_max, self._timeout_seconds), read)

    async def page_and_count(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.interface.Store.page_and_count`."""

        async def read(connection: Connection) -> tuple[list[Row], int]:
            return await self._reads(connection, chosen).page_and_count(after, offset, limit)

        return await self._pool_for(chosen).run(self._timeout_seconds, read)

    async def totals(self) -> Totals:
        """See `store.interface.Store.totals`."""

        async def read(connection: Connection) -> Totals:
            return await self._reads(connection, Filter()).totals()

        return await self._readers.run(self._timeout_seconds, read)

    async def check(self) -> None:
        """See `store.interface.Store.check`. No read delays it: it has a connection of its own."""
        await self._prober.run(PROBE_SECONDS, self._probe)

    async def close(self) -> None:
        """See `store.interface.Store.close`."""
        await self._indexer.close()
        for pool in self._pools:
            await pool.close()
        await self._server.close()

    @asynccontextmanager
    async def _opening(self) -> AsyncIterator[None]:
        """Open the pools; after an error inside close them again, and raise DatabaseError."""
        for pool in self._pools:
            await pool.open()
        try:
            yield
        except (StoreError, DatabaseError) as error:
            await self.close()
            raise DatabaseError(f"DATABASE_URL: can't use {self._server.name}: {error}") from error

    async def _recount(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.fetch(self._queries.wait_for_totals)
            await connection.fetch(self._queries.clear_counts)
            await connection.fetch(self._queries.recount)
            if self._indexer.has_texts:
                await connection.fetch(self._queries.forget_texts)
            await connection.fetch(self._queries.recount_sources)

    async def _run_read(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        return await self._readers.run(self._timeout_seconds, read)

    def _pool_for(self, chosen: Filter) -> Pool:
        return self._searchers if chosen.q_folded else self._readers

    def _reads(self, connection: Connection, chosen: Filter) -> Reads:
        return Reads(connection, self._queries, chosen, self._indexer.has_texts)

    async def _probe(self, connection: Connection) -> None:
        """Write durably; only read if a batch was just stored."""
        is_proven = time.monotonic() - self._stored_at < PROOF_SECONDS
        query = self._queries.read_connection if is_proven else self._queries.write_probe
        (settings,) = await connection.fetch(query)
        self._server.require_durability(settings)

    async def _write(self, write: Callable[[Writes], Awaitable[list[Outcome]]]) -> list[Outcome]:
        stored_at = float("-inf")
        try:
            outcomes = await self._writers.run(
                COMMIT_SECONDS_MAX, lambda connection: self._attempt(connection, write)
            )
            stored_at = time.monotonic()
            return outcomes
        except QueryTimeout as error:
            raise DatabaseSilent(str(error)) from error
        finally:
            self._stored_at = stored_at

    async def _attempt(
        self, connection: Connection, write: Callable[[Writes], Awaitable[list[Outcome]]]
    ) -> list[Outcome]:
        """Store a batch, again as a whole if the server ended it in favour of another."""
        writes = Writes(connection, self._queries, self._server)
        seconds = ATTEMPT_SECONDS
        for _ in range(ATTEMPTS - 1):
            try:
                return await write(writes)
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                await asyncio.sleep(random.uniform(0, seconds))  # noqa: S311
                seconds *= 2
        return await write(writes)
