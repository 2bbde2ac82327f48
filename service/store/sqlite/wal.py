"""The log (-wal) of a database, as a file."""

import os
from pathlib import Path

CHUNK_BYTES = 1 << 20


def rewrite_log(database: Path) -> None:
    """Write the log over itself, and return when the disk has all of it; raises OSError.

    A sync that fails may leave in the system's memory alone what it could not write. To whoever
    opens the file it looks like the rest of it, and no later sync writes it: SQLite would take it
    for stored, and append to it what the disk could never reach. What is written again is synced.

    Nobody may write to the log meanwhile: call it under the write lock. (The lock is in no part of
    this file, so that closing it here takes no lock from SQLite.)
    """
    try:
        descriptor = os.open(database.with_name(f"{database.name}-wal"), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        place = 0
        while chunk := os.pread(descriptor, CHUNK_BYTES, place):
            place += os.pwrite(descriptor, chunk, place)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
