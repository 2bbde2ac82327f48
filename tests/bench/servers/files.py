"""The files that a SQLite database is made of, whichever server made it, and what is in them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

NOT_KEPT = ("-shm", ".log")
"""Shared memory, and the log that a server of the bench writes beside its database."""


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads."""
    connection = sqlite3.connect(database.as_uri() + "?mode=ro", uri=True, isolation_level=None)
    with closing(connection):
        yield connection


def parts(database: Path) -> list[Path]:
    """All files of a database: its own, and those beside it whose names begin with its name."""
    files = sorted(database.parent.glob(f"{database.name}*"))
    return [file for file in files if not file.name.endswith(NOT_KEPT)]


def bytes_of(database: Path) -> int:
    """What a database takes, its index included, but not what its WAL holds besides."""
    files = [part for part in parts(database) if not part.name.endswith("-wal")]
    return sum(file.stat().st_size for file in files)


def count_messages(database: Path, of_events: bool = False) -> int:
    """How many messages, or events, are stored."""
    counting = "SELECT count(*) FROM events" if of_events else "SELECT count(*) FROM messages"
    with reading(database) as connection:
        return int(connection.execute(counting).fetchone()[0])
