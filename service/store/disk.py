"""Files and folders on the disk: names that survive a power loss, and sizes."""

import errno
import os
from pathlib import Path

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)
"""What fsync of a folder says where the file system has no such thing, or is read-only."""


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and sync all their names. Raises OSError.

    fsync(2) of a file does not cover its name: the name belongs to the folder above. SQLite syncs
    the folder of its files, but no folder above it. All parents are synced, old ones too: an
    earlier start may have made them and then been killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for parent in folder.absolute().parents:
        sync_folder(parent)


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
