"""Files and folders: names that survive the loss of power, and sizes."""

import errno
import os
from pathlib import Path

CAN_NOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)
"""What fsync says where a file system keeps no folder back, or can't be written at all."""


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and return when the disk has their names; raises OSError.

    The name of a file or a folder is kept by the folder that it is in: fsync(2) of a file says
    nothing about it. SQLite syncs the folder that its files are in, but none above it. All of those
    are synced, whoever made them: it may have been a start that was killed just then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for above in folder.absolute().parents:
        sync_folder(above)


def sync_folder(folder: Path) -> None:
    """Return when the disk has the names of what is in a folder; raises OSError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # who may not even read it has made nothing in it
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CAN_NOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def size_of(file: Path) -> int:
    """How many bytes a file has; 0 where there is none."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
