"""The database's files on the disk: whether their paths still name what SQLite has open."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from service.store.interface import DiskFailed, StoreDamaged, StoreError

WAL_SUFFIX = "-wal"

MAGIC = b"SQLite format 3\0"
VERSION = slice(24, 32)
"""The change counter and the number of pages (sqlite.org/fileformat.html#the_database_header)."""
HEADER_BYTES = 32


def beside(database: Path, suffix: str) -> Path:
    """A file that SQLite keeps beside a database. For a link, that is beside the file itself."""
    real = database.resolve()
    return real.with_name(real.name + suffix)


class OpenFiles:
    """The files that SQLite has open. `open` them after SQLite, and `close` them after it.

    To close any descriptor of a file releases all locks of the process on that file, SQLite's
    included (sqlite.org/howtocorrupt.html, section 2.2).
    """

    def __init__(self, path: Path, when_damaged: Callable[[StoreDamaged], None]) -> None:
        """`when_damaged` is called in any thread when the first page can't be that of the file."""
        self._path = path
        self._when_damaged = when_damaged
        self._descriptor: int | None = None
        self._identities: list[tuple[str, int, int]] = []
        self._version = b""
        self._checked_at = float("-inf")

    def open(self) -> None:
        """Note which files SQLite has open. Raises OSError, and StoreDamaged."""
        self._descriptor = os.open(self._path, os.O_RDWR)
        for path in (self._path, beside(self._path, WAL_SUFFIX)):
            found = path.stat()
            self._identities.append((str(path), found.st_dev, found.st_ino))
        self.check_content()

    def check(self, age_seconds: float = 0) -> None:
        """Raises StoreError when a path names another file, or none, or when the file is written
        over: a restart would not find what is written now. It costs three system calls, unless the
        last check is younger than this.
        """
        now = time.monotonic()
        if now - self._checked_at < age_seconds:
            return
        for path, device, inode in self._identities:
            try:
                found = os.stat(path)  # noqa: PTH116 - twice as fast
            except OSError as error:
                raise self._moved(path, f"is gone ({error.strerror})") from error
            if found.st_ino != inode or found.st_dev != device:
                raise self._moved(path, "is another file now")
        self.check_content()
        self._checked_at = now

    def check_content(self) -> None:
        """Raises StoreDamaged when another program has written over the file.

        SQLite never lets the change counter go back, and only VACUUM, which raises it, makes a file
        smaller. A copy of another file does both. Call it in any thread.
        """
        if self._descriptor is None:
            return
        known = self._version  # before the read: a checkpoint may be under way in another thread
        header = os.pread(self._descriptor, HEADER_BYTES, 0)
        version = header[VERSION]
        if not header.startswith(MAGIC) or version < known:
            error = StoreDamaged("another program has written over the file")
            self._when_damaged(error)
            raise error
        self._version = max(self._version, version)

    def sync(self) -> None:
        """Sync what checkpoints wrote to the database. Raises DiskFailed."""
        try:
            if self._descriptor is not None:
                os.fsync(self._descriptor)
        except OSError as error:
            raise DiskFailed(f"the file can't be synced: {error.strerror}") from error

    def close(self) -> None:
        """Safe to call twice."""
        self._identities.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _moved(self, path: str, trouble: str) -> StoreError:
        return StoreError(
            f"{path} {trouble}, while the service runs: put the file back,"
            " or restart the service to use what is there"
        )
