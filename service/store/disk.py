"""Files and folders on the disk: names that survive a power loss, and sizes."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)
"""What fsync of a folder says where the file system has no such thing, or is read-only."""

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
"""The modes of what the service makes: only its user may read the messages."""

READ_BY_OTHERS = 0o044


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and sync all their names. Raises OSError.

    fsync(2) of a file does not cover its name: the name belongs to the folder above. SQLite syncs
    the folder of its files, but no folder above it. All parents are synced, old ones too: an
    earlier start may have made them and then been killed.
    """
    folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    for parent in folder.absolute().parents:
        sync_folder(parent)


def make_file(file: Path) -> None:
    """Make an empty file that only its owner may read, if there is none. Raises OSError.

    SQLite gives its WAL the mode of the database.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))


def explain_access(files: Iterable[Path]) -> str | None:
    """Which folder or file this process may not use as a database must, and whose it is.

    None where permissions are not the reason.
    """
    for file in files:
        nearest = Path(file.anchor)
        for folder in reversed(file.absolute().parents):
            if not folder.is_dir():
                break
            if not _may(folder, os.X_OK):
                return _describe(folder, "folder")
            nearest = folder
        if not _may(nearest, os.W_OK):
            return _describe(nearest, "folder")
        if file.exists() and not _may(file, os.R_OK | os.W_OK):
            return _describe(file, "file")
    return None


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _describe(path: Path, kind: str) -> str:
    if hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"the {kind} {path} is on a read-only file system"
    found = path.stat()
    user = f"{os.geteuid()}:{os.getegid()}"
    is_own = found.st_uid == os.geteuid()
    remedy = f"chmod u+rw{'x' if kind == 'folder' else ''}" if is_own else f"chown {user}"
    return (
        f"the {kind} {path} belongs to {found.st_uid}:{found.st_gid}, has the mode"
        f" {found.st_mode & 0o7777:04o}, and the service runs as {user}, which may not use it:"
        f" {remedy} {path}"
    )


def is_read_by_others(file: Path) -> bool:
    """Whether other users of the machine may read the file; false where there is no such thing."""
    return os.name == "posix" and bool(file.stat().st_mode & READ_BY_OTHERS)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder. Raises OSError, but not where folders cannot be synced."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # a folder that cannot be read has no new name of ours
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def size_of(file: Path) -> int:
    """The size of a file in bytes; 0 for a file that does not exist."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
