"""The write-ahead log (WAL) of a database, as a file: is it that of the database? Is it synced?"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from service.store.disk import size_of
from service.store.interface import DatabaseLocked, DiskFailed, StoreDamaged, StoreError
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Options
from service.store.sqlite.files import WAL_SUFFIX, beside
from service.store.sqlite.pool import Pool

CHUNK_BYTES = 1 << 20

HEADER_BYTES = 32
PAGE_SIZE = slice(8, 12)
FRAME_HEADER_BYTES = 24
PAGE_NUMBER = slice(0, 4)
"""Of the WAL and of a frame (sqlite.org/fileformat.html#the_write_ahead_log)."""
SALT, SALT_OF_FRAME = slice(16, 20), slice(8, 12)
"""Each restart of the WAL adds one. Frames of before lie behind the new ones."""

SMALL_BYTES = 16 * 2**20
"""A database so small is checked whole at each start that finds a WAL: 0.2 s. A million messages
took 11 s."""

EQUAL_PAGES = 8
"""So many pages prove that the WAL is that of the database, where a checkpoint has copied them. A
few small tables may be the same in any backup."""

SOUND = "ok"


async def require_own_wal(database: Path, options: Options, queries: SqliteQueries) -> None:
    """Raise StoreError if the WAL is not that of the database, which was replaced.

    SQLite would copy the pages of the old database into the new one. `options` are those of a
    connection that writes nothing. A crash never leaves a WAL that is refused.
    """
    wal = beside(database, WAL_SUFFIX)
    if size_of(wal) <= HEADER_BYTES:
        return
    if not size_of(database):
        raise StoreError(
            f"{wal} lies there without its database: put the database back, or remove {wal}"
            " to begin with an empty one. The messages in the WAL are lost with it"
        )
    if not await asyncio.to_thread(_is_in_doubt, database, wal):
        return
    trouble = await _find_damage(options, queries)
    if trouble is None:
        return
    alone = options._replace(uri=f"{options.uri}&immutable=1")  # without the WAL
    if await _find_damage(alone, queries) is not None:
        raise StoreDamaged(f"the database is damaged: {trouble}. Restore a backup")
    raise StoreDamaged(
        f"{wal} is not the WAL of this database, but of one that was there before: {trouble}."
        f" If you have restored a backup, remove {wal.name}, {database.name}-shm and"
        f" {database.name}-index, and start again: the backup is then served. What the WAL holds of"
        " the old database is lost with it"
    )


def _is_in_doubt(database: Path, wal: Path) -> bool:
    """Whether the database may have been replaced since the WAL was written.

    No time tells: a service may write its WAL for a while after its database was replaced. And no
    older page tells: a backup made page by page has those, but lacks the last before a restart.
    """
    if database.stat().st_size <= SMALL_BYTES:
        return True
    copied: set[int] = set()
    last: dict[int, bool] = {}
    last_before: dict[int, bool] = {}
    for restarts, number, is_equal in _compare(database, wal):
        if restarts == 0:
            last[number] = is_equal
            if is_equal:
                copied.add(number)
        elif restarts == 1:
            last_before[number] = is_equal
    kept = [is_equal for number, is_equal in last_before.items() if number not in last]
    return not (
        all(last.values())  # SQLite would change nothing
        or len(copied) >= EQUAL_PAGES
        or (len(kept) >= EQUAL_PAGES and all(kept))
    )


def _compare(database: Path, wal: Path) -> Iterator[tuple[int, int, bool]]:
    """For each frame: how many restarts ago it was written, its page, and whether the database has
    it. SQLite writes the database in checkpoints alone."""
    with ExitStack() as stack:
        pages = stack.enter_context(database.open("rb"))
        frames = stack.enter_context(wal.open("rb"))
        header = frames.read(HEADER_BYTES)
        page_bytes, newest = (int.from_bytes(header[at], "big") for at in (PAGE_SIZE, SALT))
        while len(frame := frames.read(FRAME_HEADER_BYTES + page_bytes)) > FRAME_HEADER_BYTES:
            salt = int.from_bytes(frame[SALT_OF_FRAME], "big")
            number = int.from_bytes(frame[PAGE_NUMBER], "big")
            if number:
                pages.seek((number - 1) * page_bytes)
                is_equal = pages.read(page_bytes) == frame[FRAME_HEADER_BYTES:]
                yield (newest - salt) % 2**32, number, is_equal


async def _find_damage(options: Options, queries: SqliteQueries) -> str | None:
    """What is wrong with a database, if anything."""

    def check(connection: sqlite3.Connection) -> str:
        return str(connection.execute(queries.check_integrity).fetchone()[0])

    pool = Pool(1, options, queries)
    try:
        found = await pool.run(check)
    except StoreDamaged as error:
        return str(error)
    except DatabaseLocked:  # another process uses it, and has found it sound
        return None
    finally:
        await pool.close()
    return None if found == SOUND else " ".join(found.split())


def rewrite_wal(database: Path) -> None:
    """Write the WAL over itself, and sync it. Raises DiskFailed, or OSError if it can't be opened.

    After a failed sync, frames may be in the system's memory alone. They look like the rest of the
    file, and no later sync writes them. SQLite would take them for stored and append to them. What
    is written again is synced.

    Call it under the write lock. To close the file here releases no lock of SQLite's: those are in
    other files.
    """
    try:
        descriptor = os.open(beside(database, WAL_SUFFIX), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        place = 0
        while chunk := os.pread(descriptor, CHUNK_BYTES, place):
            place += os.pwrite(descriptor, chunk, place)
        os.fsync(descriptor)
    except OSError as error:
        raise DiskFailed(f"the WAL can't be written: {error.strerror}") from error
    finally:
        os.close(descriptor)
