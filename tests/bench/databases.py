"""Databases that are large already: built once, and kept for the next bench."""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import msgspec

from service.store.queries import SqliteQueries, load_queries, sql_folder
from service.store.sqlite import indexer
from service.store.sqlite.pool import driver, execute_all
from service.store.sqlite.store import SqliteStore
from tests.bench import dataset
from tests.bench.files import bytes_of, count_messages, parts
from tests.bench.machine import available_kibibytes
from tests.bench.memory import hold
from tests.bench.places import FOLDER, scratch
from tests.bench.results import Size
from tests.bench.watch import Watch

WORN = 1.1
"""A copy that has grown by more than a tenth is no longer of its size."""

CACHE_BYTES_MAX = 4 * 2**30
"""Of pages in memory while a database is built: random keys touch all of an index."""

FAST = """\
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = MEMORY;
"""
FAST_SETTINGS = {"journal_mode": "off", "synchronous": 0}
"""What FAST asks for, as the service reads it back."""

NAME = "app.db"
KEPT = FOLDER / "databases"


class Copy:
    """A database to write to."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.position = 0
        """The byte of the file of requests behind those that this database was sent."""
        self.held: ExitStack | None = None
        """What keeps its files in memory, if anything does."""

    def release(self) -> None:
        """Leave it to the system what of the files is in memory."""
        if self.held is not None:
            self.held.close()
            self.held = None


class Copies:
    """Copies of the databases that are kept, in a folder that goes at the end."""

    def __init__(self, originals: dict[int, Path], folder: Path, watch: Watch) -> None:
        """`originals` by how many messages they hold."""
        self._originals = originals
        self._folder = folder
        self._watch = watch
        self._copies: dict[int, Copy] = {}

    def get(self, messages: int) -> Copy:
        """A database of about so many messages, which no process has open; of 0, none yet."""
        copy = self._copies.get(messages)
        original = self._originals.get(messages)
        if copy is None or original is None or _is_worn(copy.database, original):
            self.drop(messages)
            copy = self._copies[messages] = Copy(self._folder / str(messages) / NAME)
            copy.database.parent.mkdir()
            if original is not None:
                _copy(original, copy.database)
        return copy

    def get_held(self, messages: int) -> Copy:
        """As `get`; its files are in memory, as large as they are now, and stay there."""
        copy = self.get(messages)
        copy.release()
        copy.held = hold(parts(copy.database))
        if copy.held is None:
            self._watch.say(f"{messages:,} messages may not stay in memory (ulimit -l, memory)")
        return copy

    def drop(self, messages: int) -> None:
        """Give the disk's space back, and the memory."""
        copy = self._copies.pop(messages, None)
        if copy is not None:
            copy.release()
        shutil.rmtree(self._folder / str(messages), ignore_errors=True)


@contextmanager
def prepared(sizes: tuple[int, ...], watch: Watch) -> Iterator[tuple[Copies, list[Size]]]:
    """Copies of databases of `sizes` messages, which are built where there are none yet."""
    originals = {size: _original(size, watch) for size in sizes}
    found = [_size(messages, original) for messages, original in originals.items()]
    with scratch() as folder:
        copies = Copies(originals, folder, watch)
        try:
            yield copies, found
        finally:
            for size in sizes:
                copies.drop(size)


def build(database: Path, count: int, watch: Watch) -> None:
    """Make a database of `count` messages by the service's own SQL.

    Not durable until it is done, and therefore some ten times faster than by webhooks.
    """
    asyncio.run(_open_and_close(database))
    _insert(database, count, watch)
    asyncio.run(_index(database, watch))
    # Whatever the service does with a database that has grown, when it starts and stops.
    asyncio.run(_open_and_close(database))


def _insert(database: Path, count: int, watch: Watch) -> None:
    """One transaction."""
    sql = load_queries(sql_folder("sqlite") / "queries", SqliteQueries).insert_messages
    connection = driver.connect(str(database), isolation_level=None)
    try:
        execute_all(connection, FAST + _cache_size())
        connection.execute("BEGIN")
        with watch.counting("storing messages", count) as step:
            for chunk in dataset.messages(count):
                batch = msgspec.json.encode(chunk).decode()
                created_at = time.time_ns() // 1_000
                connection.execute(sql, {"batch": batch, "created_at": created_at})
                step(len(chunk))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


async def _index(database: Path, watch: Watch) -> None:
    """Fill the index as the service does, slice by slice, with more memory and no syncs."""
    sql, count = sql_folder("sqlite"), count_messages(database)
    with scratch() as folder:
        shutil.copy(sql / "index.sql", folder)
        (folder / "index_connection.sql").write_text(FAST + _cache_size())
        with mock.patch.object(indexer, "EXPECTED_SETTINGS", FAST_SETTINGS):
            following = indexer.Indexer(
                database, folder, load_queries(sql / "queries", SqliteQueries)
            )
        try:
            await following.open()
            with watch.counting("indexing messages", count) as step:
                while await following._pool.run(following._index_slice):
                    step(indexer.SLICE_MESSAGES)
        finally:
            await following.close()


async def _open_and_close(database: Path) -> None:
    store = SqliteStore(database)
    await store.open()
    await store.index_all()
    await store.close()


def _original(messages: int, watch: Watch) -> Path:
    """The kept database; older ones of this size, by another schema, make room for it."""
    folder = KEPT / f"{messages}-{_digest()}"
    if not folder.exists():
        for old in KEPT.glob(f"{messages}-*"):
            shutil.rmtree(old)
        partial = KEPT / f"{messages}-partial"
        partial.mkdir(parents=True)
        began = time.monotonic()
        build(partial / NAME, messages, watch)
        (partial / "seconds").write_text(f"{time.monotonic() - began:.1f}")
        partial.rename(folder)
    return folder / NAME


def _digest() -> str:
    """Of all that decides what the files of a database hold."""
    sql = sql_folder("sqlite")
    patterns = (
        "migrations/*.sql",
        "index.sql",
        "queries/insert_messages.sql",
        "queries/index_*.sql",
    )
    files = [file for pattern in patterns for file in sorted(sql.glob(pattern))]
    parts = [file.read_bytes() for file in [*files, Path(dataset.__file__)]]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _is_worn(copy: Path, original: Path) -> bool:
    return copy.stat().st_size > original.stat().st_size * WORN


def _size(messages: int, database: Path) -> Size:
    main_bytes = database.stat().st_size
    index_bytes = bytes_of(database) - main_bytes
    seconds = float((database.parent / "seconds").read_text())
    return Size(messages, main_bytes, index_bytes, seconds)


def _cache_size() -> str:
    kibibytes = min(CACHE_BYTES_MAX // 1024, available_kibibytes() // 3)
    return f"PRAGMA cache_size = -{kibibytes};\n"


def _copy(original: Path, copy: Path) -> None:
    """Copy the files, and leave in memory what will be used: the copies."""
    for part in parts(original):
        shutil.copyfile(part, copy.parent / part.name)
    for part in parts(copy):
        _at(part, os.fsync)
    for part in parts(original):
        _at(part, lambda descriptor: os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED))


def _at(file: Path, do: Callable[[int], object]) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        do(descriptor)
    finally:
        os.close(descriptor)
