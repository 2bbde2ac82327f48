"""The write-ahead log (WAL) of a database, as a file."""

import os
from pathlib import Path

from service.store.interface import DiskFailed
from service.store.sqlite.files import WAL_SUFFIX, beside

CHUNK_BYTES = 1 << 20


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
