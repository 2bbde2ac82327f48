"""Reads an SQLite file without changing it, beside a running service or without one."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from service.errors import DatabaseError
from service.store.interface import Filter, Position, Row, StoreError
from service.store.migrate import load_migrations, require_current, require_folded
from service.store.queries import SqliteQueries, load_queries, sql_folder
from service.store.sqlite.connection import Options
from service.store.sqlite.events import EventReader
from service.store.sqlite.index_file import index_path
from service.store.sqlite.indexer import Indexer
from service.store.sqlite.pool import Pool
from service.store.sqlite.reads import Reads
from service.store.sqlite.wal import require_own_wal

T = TypeVar("T")

UNINDEXED_MESSAGES_MAX = 50_000
"""With more unindexed messages, each page takes longer than a new index is worth."""


class SqliteReader(EventReader):
    """A `store.interface.Reader` of one SQLite file. `open` it first."""

    def __init__(self, path: Path, folder: Path | None = None, timeout_seconds: float = 5) -> None:
        """`folder` holds the SQL; the default is `sql/sqlite`. A read ends after `timeout_seconds`.

        Raises DatabaseError if a file of SQL is missing, unused or misnamed.
        """
        self._path = path
        self._folder = folder = folder or sql_folder("sqlite")
        self._timeout_seconds = timeout_seconds
        self._migrations = load_migrations(folder / "migrations")
        self._queries = load_queries(folder / "queries", SqliteQueries)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Raises DatabaseError, which names the path and what is wrong with it."""
        if not self._path.exists():
            raise DatabaseError(f"DATABASE_URL: there is no database at {self._path}")
        try:
            await require_own_wal(self._path, self._main(), self._queries)
            await self._open_pool(self._main()).run(self._require_current)
            self._pool = await self._open_with_index()
        except BaseException as error:
            await self.close()
            if not isinstance(error, StoreError | DatabaseError):
                raise
            raise DatabaseError(f"DATABASE_URL: can't use {self._path}: {error}") from error

    async def page(
        self,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
        seconds_max: float = math.inf,
    ) -> list[Row]:
        """See `store.interface.Reader.page`."""

        def read(connection: sqlite3.Connection) -> list[Row]:
            rows = Reads(connection, self._queries, chosen).page(after, offset, limit)
            connection.commit()
            return rows

        return await self._pool.run_for(min(seconds_max, self._timeout_seconds), read)

    async def _run_read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        return await self._pool.run_for(self._timeout_seconds, read)

    async def close(self) -> None:
        """See `store.interface.Reader.close`."""
        await self._stack.aclose()

    async def _open_with_index(self) -> Pool:
        """Use the index beside the database, or make one that goes when this closes."""
        indexer = Indexer(self._path, self._folder, self._queries)
        beside = self._open_pool(self._main(index_path(self._path)))
        try:
            unindexed_count = await beside.run(indexer.count_unindexed)
        except StoreError:  # there is none, or it is damaged
            unindexed_count = None
        if unindexed_count is not None and unindexed_count <= UNINDEXED_MESSAGES_MAX:
            return beside
        folder = self._stack.enter_context(TemporaryDirectory(prefix="webhook-service-"))
        path = Path(folder) / "index"
        indexer = Indexer(self._path, self._folder, self._queries, path)
        self._stack.push_async_callback(indexer.close)
        await indexer.open()
        await indexer.index_all()
        return self._open_pool(self._main(path))

    def _main(self, index: Path | None = None) -> Options:
        options = Options(
            f"{self._path.absolute().as_uri()}?mode=ro",
            (self._folder / "read_only_connection.sql").read_text("utf-8"),
            expected=None,
        )
        if index is None:
            return options
        return options._replace(
            attached_uri=f"{index.absolute().as_uri()}?mode=ro",
            prepare_sql=(self._folder / "reader.sql").read_text("utf-8"),
        )

    def _open_pool(self, options: Options) -> Pool:
        pool = Pool(1, options, self._queries)
        self._stack.push_async_callback(pool.close)
        return pool

    def _require_current(self, connection: sqlite3.Connection) -> None:
        applied = connection.execute(self._queries.list_migrations).fetchall()
        require_current(self._migrations, applied)
        require_folded(connection.execute(self._queries.read_folding).fetchone()[0])
