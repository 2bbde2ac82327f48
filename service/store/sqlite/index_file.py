"""The index file beside a database: where it is, and how a new one takes its place."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from service.store.disk import make_file
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Options
from service.store.sqlite.pool import Pool

SUFFIX = "-index"


def index_path(database: Path) -> Path:
    """The index file of a database, beside it."""
    return database.with_name(database.name + SUFFIX)


def identify(path: Path) -> list[int]:
    """The inodes of a file and of its WAL; 0 for one that is missing."""
    return [_inode(path), _inode(_beside(path, "-wal"))]


def is_empty(path: Path) -> bool:
    """Whether the file has no byte. SQLite deletes a WAL that lies beside such a file's name."""
    return not path.stat().st_size


async def replace_file(
    path: Path, options: Options, queries: SqliteQueries, fill: Callable[[sqlite3.Connection], None]
) -> None:
    """Put a new file in the place of an old one. Raises OSError and StoreError.

    It is filled before it has its name: no other connection ever finds it without its tables.
    """
    new = _beside(path, "-new")
    _remove(new)
    make_file(new)
    pool = Pool(1, options._replace(uri=f"{new.absolute().as_uri()}?mode=rw"), queries)
    try:
        await pool.run(fill)
    finally:
        await pool.close()
    _remove(path)
    new.replace(path)


def _remove(path: Path) -> None:
    for file in (path, _beside(path, "-wal"), _beside(path, "-shm")):
        file.unlink(missing_ok=True)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
