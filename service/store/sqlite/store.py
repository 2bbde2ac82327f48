"""The store on SQLite: one connection that writes, a few that read, and an index file."""

import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from service.errors import DatabaseError
from service.messages.event import Event
from service.messages.message import Message
from service.store.disk import (
    explain_access,
    is_read_by_others,
    make_file,
    make_folder,
    size_of,
    sync_folder,
)
from service.store.failure import end_process
from service.store.interface import (
    DiskFailed,
    Filter,
    Mended,
    Outcome,
    Position,
    Row,
    StoreDamaged,
    StoreError,
    Totals,
    Warn,
    ignore_warning,
)
from service.store.migrate import load_migrations
from service.store.queries import SqliteQueries, load_queries, sql_folder
from service.store.sqlite.checkpoints import Checkpoints
from service.store.sqlite.connection import Options, describe_driver, warn_of_driver
from service.store.sqlite.damage import Damage
from service.store.sqlite.events import EventReader
from service.store.sqlite.files import WAL_SUFFIX, OpenFiles, beside
from service.store.sqlite.index_file import index_path
from service.store.sqlite.indexer import Indexer
from service.store.sqlite.migrations import fold_if_due, fold_texts, migrate
from service.store.sqlite.pool import Pool
from service.store.sqlite.probe import Probe
from service.store.sqlite.reads import Reads
from service.store.sqlite.wal import require_own_wal, rewrite_wal
from service.store.sqlite.writes import Stored, Writes

T = TypeVar("T")

READERS = 4
"""Connections for reads that use an index. Each has a thread and a cache."""

SEARCHERS = 2
"""Connections for searches, which may read many messages. Their threads have a lower priority."""

CHECKED_SECONDS = 0.5
"""Before a commit, the last look at the files may be so old; after it, they are looked at again."""

FILES = {"main": "", "wal": "-wal", "index": "-index", "index_wal": "-index-wal"}
"""The suffix of each file's name."""

EXPECTED_SETTINGS = {"journal_mode": "wal", "synchronous": 2}
"""Without these settings an acknowledged message could be lost (read_connection.sql)."""


class SqliteStore(EventReader):
    """A `store.interface.Store` in one SQLite file. `open` it first."""

    batches_in_flight = 1
    """SQLite has one writer."""

    engine = describe_driver()

    def __init__(
        self,
        path: Path,
        folder: Path | None = None,
        timeout_seconds: float = 5,
        when_disk_fails: Callable[[DiskFailed], None] = end_process,
        warn: Warn = ignore_warning,
    ) -> None:
        """`folder` holds the SQL; the default is `sql/sqlite`.

        A read that takes longer than `timeout_seconds` is stopped. Raises DatabaseError where a
        file of SQL is missing, not used, or misnamed.
        """
        folder = folder or sql_folder("sqlite")
        self._path = path
        self._folder = folder
        self._timeout_seconds = timeout_seconds
        self._when_disk_fails = when_disk_fails
        self._warn = warn
        self._migrations = load_migrations(folder / "migrations")
        self._queries = queries = load_queries(folder / "queries", SqliteQueries)
        settings_sql = (folder / "connection.sql").read_text("utf-8")
        uri = path.absolute().as_uri()
        index_uri = f"{index_path(path).absolute().as_uri()}?mode=ro"
        reader_sql = (folder / "reader.sql").read_text("utf-8")
        read_only_sql = (folder / "read_only_connection.sql").read_text("utf-8")
        self._looks = Options(
            f"{uri}?mode=ro", read_only_sql, expected=None, before_open=self._check_files
        )
        self._damage = Damage(self._looks, queries)
        self._files = OpenFiles(path, self._damage.note)
        writes = Options(
            f"{uri}?mode=rwc",
            settings_sql,
            EXPECTED_SETTINGS,
            when_disk_fails=self._give_up,
            when_damaged=self._damage.note,
            before_open=self._check_files,
        )
        reads = Options(
            f"{uri}?mode=ro",
            settings_sql,
            EXPECTED_SETTINGS,
            attached_uri=index_uri,
            prepare_sql=reader_sql,
            when_disk_fails=self._damage.suspect,
            when_damaged=self._damage.suspect,
            before_open=self._check_files,
        )
        self._writer = Pool(1, writes, queries)
        self._writes = Writes(queries)
        self._readers = Pool(READERS, reads, queries)
        self._searchers = Pool(SEARCHERS, reads._replace(is_background=True), queries)
        # Searches pause first: they take the longest, and the other reads go on meanwhile.
        readers = (self._searchers, self._readers)
        self._checkpoints = Checkpoints(
            self._files,
            beside(path, WAL_SUFFIX),
            writes._replace(uri=f"{uri}?mode=rw"),
            queries,
            self._writer,
            readers,
            warn,
        )
        alone = reads._replace(
            attached_uri=None,
            prepare_sql=None,
            when_disk_fails=None,
            when_damaged=self._damage.note,
        )
        self._probe = Probe(self._writer, alone, queries, self._files)
        self._index_lock = Pool(1, writes, queries)
        self._indexer = Indexer(
            path,
            folder,
            queries,
            rebuild=self._rebuild_index,
            suspect=self._damage.suspect,
            warn=warn,
        )

    async def open(self) -> None:
        """Make missing files, migrate, and prove that the database reads and writes.

        Raises DatabaseError, which names the path and what is wrong with it.
        """
        try:
            if not self._path.exists():  # an existing file has its folders already
                make_folder(self._path.parent)
            await require_own_wal(self._path, self._looks, self._queries)
            make_file(self._path)
            await self._writer.run(self._rewrite_wal)
            await self._writer.run(lambda raw: migrate(raw, self._queries, self._migrations))
            await fold_if_due(self._writer, self._queries, self._checkpoints.make_room, self._warn)
            await self._open_index()
            await self._probe.look()
            # SQLite has synced the folder, but ignores a failure.
            sync_folder(self._path.parent)
            self._files.open()
        except BaseException as error:
            await self.close()
            if not isinstance(error, OSError | StoreError | DatabaseError):
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            if not isinstance(error, DatabaseError | StoreDamaged):
                reason = explain_access(self._all_files()) or reason
            raise DatabaseError(f"DATABASE_URL: can't use {self._path}: {reason}") from error
        self._damage.start(when_sound=self._indexer.condemn)
        self._indexer.start()
        self._checkpoints.start()

    def warnings(self) -> list[tuple[str, str]]:
        """See `store.interface.Store.warnings`."""
        found = []
        if trouble := warn_of_driver():
            found.append(("database_driver", trouble))
        if is_read_by_others(self._path):
            trouble = f"other users of this machine can read {self._path}: chmod 600 {self._path}*"
            found.append(("database_readable", trouble))
        return found

    async def insert(
        self, messages: Sequence[Message], events: Sequence[Event] = ()
    ) -> list[Outcome]:
        """See `store.interface.Store.insert`."""
        return await self._write(lambda raw: self._writes.insert(raw, messages, events))

    async def resolve(self, mended: Sequence[Mended]) -> list[Outcome]:
        """See `store.interface.Store.resolve`."""
        return await self._write(lambda raw: self._writes.resolve(raw, mended))

    async def index_all(self) -> None:
        """See `store.interface.Store.index_all`."""
        await self._indexer.index_all()

    async def reindex(self) -> None:
        """See `store.interface.Store.reindex`. Beside the index, then copied in one transaction."""
        await fold_texts(self._writer, self._queries, self._checkpoints.make_room)
        with TemporaryDirectory(dir=self._path.parent, prefix="reindex-") as made:
            indexer = Indexer(self._path, self._folder, self._queries, Path(made) / "index")
            try:
                await indexer.open()
                await indexer.index_all()
                await indexer.copy_to(index_path(self._path))
            finally:
                await indexer.close()
        read = self._writes.measure_sources
        counts = await self._searchers.run(read)
        await self._writer.run(lambda raw: self._writes.count(raw, counts))

    def messages_behind(self) -> int:
        """See `store.interface.Store.messages_behind`."""
        return self._indexer.messages_behind()

    def checkpoint_blocked_seconds(self) -> float:
        """See `store.interface.Store.checkpoint_blocked_seconds`."""
        return self._checkpoints.blocked_seconds()

    def database_bytes(self) -> dict[str, int]:
        """See `store.interface.Store.database_bytes`: the size of each file."""
        return dict(zip(FILES, map(size_of, self._all_files()), strict=True))

    async def page(
        self,
        chosen: Filter,
        after: Position | None,
        offset: int,
        limit: int,
        seconds_max: float = math.inf,
    ) -> list[Row]:
        """See `store.interface.Store.page`."""
        return await self._read(chosen, lambda reads: reads.page(after, offset, limit), seconds_max)

    async def page_and_count(
        self, chosen: Filter, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.interface.Store.page_and_count`."""
        return await self._read(chosen, lambda reads: reads.page_and_count(after, offset, limit))

    async def totals(self) -> Totals:
        """See `store.interface.Store.totals`."""
        return await self._read(Filter(), Reads.totals)

    async def check(self) -> None:
        """See `store.interface.Store.check`."""
        self._damage.require_sound()
        await self._probe.check()
        if self._checkpoints.trouble is not None:
            raise StoreError(f"the WAL is not checkpointed: {self._checkpoints.trouble}")

    async def close(self) -> None:
        """Close every part, whatever becomes of another; safe to call twice.

        The writer closes last: SQLite then checkpoints the rest of the WAL.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._files.close)
            for part in (
                self._writer,
                self._indexer,
                self._damage,
                self._searchers,
                self._readers,
                self._checkpoints,
                self._probe,
            ):
                stack.push_async_callback(part.close)

    def _all_files(self) -> list[Path]:
        return [self._path.with_name(self._path.name + end) for end in FILES.values()]

    def _check_files(self) -> None:
        """A new connection would mix another file with the WAL of this one, and write both."""
        self._files.check()

    def _require_sound(self, age_seconds: float = 0) -> None:
        """Before and after a commit: a restart must find what is acknowledged. Raises StoreError.

        It runs in the event loop, where it waits for no other thread.
        """
        self._damage.require_sound()
        self._files.check(age_seconds)

    def _give_up(self, error: DiskFailed) -> None:
        """End the process, in the thread that met the error."""
        self._when_disk_fails(
            DiskFailed(
                f"DATABASE_URL: the disk failed under {self._path}: {error}."
                " Everything acknowledged is stored; the next start rewrites the WAL"
            )
        )

    async def _open_index(self) -> None:
        """Under the write lock: of several processes that start at once, one makes the index, and
        no other removes it. On a connection of its own: a batch must not join the transaction."""
        try:
            await self._index_lock.run(lambda raw: raw.execute(self._queries.begin_write))
            await self._indexer.open()
        finally:
            await self._index_lock.close()

    async def _rebuild_index(self) -> None:
        async with self._searchers.closed(), self._readers.closed():
            await self._open_index()

    async def _read(
        self, chosen: Filter, read: Callable[[Reads], T], seconds_max: float = math.inf
    ) -> T:
        def snapshot(connection: sqlite3.Connection) -> T:
            found = read(Reads(connection, self._queries, chosen))
            connection.commit()
            return found

        pool = self._searchers if chosen.q_folded else self._readers
        return await pool.run_for(min(seconds_max, self._timeout_seconds), snapshot)

    async def _write(self, write: Callable[[sqlite3.Connection], Stored]) -> list[Outcome]:
        try:
            self._require_sound(CHECKED_SECONDS)
            await self._checkpoints.make_room()
            stored = await self._writer.run(write)
            self._require_sound()
        except StoreError as error:
            self._probe.note(error)
            raise
        self._probe.note(None)
        self._indexer.notify(stored.created_message_count)
        self._checkpoints.notify()
        return stored.outcomes

    async def _run_read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        return await self._readers.run_for(self._timeout_seconds, read)

    def _rewrite_wal(self, connection: sqlite3.Connection) -> None:
        connection.execute(self._queries.begin_write)
        rewrite_wal(self._path)
        connection.rollback()
