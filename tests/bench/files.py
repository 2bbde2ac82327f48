"""The files that a database is made of, whichever server made it, and what stands in them."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.store.sqlite.indexer import index_path
from service.store.sqlite.pool import driver

POLL_SECONDS = 0.02
SETTLE_SECONDS_MAX = 300


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, beside whatever else is connected."""
    connection = driver.connect(database.as_uri() + "?mode=ro", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def parts(database: Path) -> list[Path]:
    """The database, and the index beside it where there is one."""
    return [file for file in (database, index_path(database)) if file.exists()]


def log_of(part: Path) -> Path:
    """The write-ahead log of a file."""
    return part.with_name(part.name + "-wal")


def bytes_of(database: Path) -> int:
    """What the files of a stopped server take."""
    return sum(part.stat().st_size for part in parts(database))


def count_messages(database: Path) -> int:
    """How many messages are stored."""
    with reading(database) as connection:
        return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])


def empty_bytes(database: Path) -> int:
    """What the same files took when they held nothing: a page for each table and index."""
    return sum(_empty_bytes(part) for part in parts(database))


def wait_until_indexed(database: Path) -> float:
    """Seconds until the index has every message; 0 where there is none to wait for."""
    began = time.monotonic()
    index = index_path(database)
    if not index.exists():
        return 0
    with reading(database) as messages, reading(index) as indexed:
        while _last(messages, "SELECT max(seq) FROM messages") > _last(
            indexed, "SELECT seq FROM indexed"
        ):
            if time.monotonic() - began > SETTLE_SECONDS_MAX:
                raise SystemExit(f"The index is still behind after {SETTLE_SECONDS_MAX} s")
            time.sleep(POLL_SECONDS)
    return time.monotonic() - began


def _last(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0] or 0)


def _empty_bytes(part: Path) -> int:
    with reading(part) as connection:
        (trees,) = connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE rootpage > 0"
        ).fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((1 + trees) * page_bytes)
