"""Keeps files in memory, as a database is that is used all day.

Some kernels drop cached files that were not touched for a minute, for example while another
database has its turn. A run would then measure the disk.
"""

import mmap
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from tests.measure.machine import available_kibibytes

MAP_LOCKED = 0x2000
"""Read the whole file now, and keep it in memory as long as it is mapped (mmap(2)).

From Linux's asm-generic/mman.h; Python has no name for it.
"""

SHARE_MAX = 0.75
"""Of the memory that programs could still have: a machine without any left stops programs."""


def hold(files: Iterable[Path]) -> ExitStack | None:
    """Read files into memory, where they stay until what this gives is closed.

    None if they are too large, or may not stay (`ulimit -l`).
    """
    files = [file for file in files if file.stat().st_size]
    if sum(file.stat().st_size for file in files) > available_kibibytes() * 1024 * SHARE_MAX:
        return None
    try:
        with ExitStack() as held:
            for file in files:
                held.enter_context(_map(file))
            return held.pop_all()
    except OSError:
        return None


def _map(file: Path) -> mmap.mmap:
    with file.open("rb") as opened:
        flags = mmap.MAP_SHARED | MAP_LOCKED
        return mmap.mmap(opened.fileno(), 0, flags=flags, prot=mmap.PROT_READ)
