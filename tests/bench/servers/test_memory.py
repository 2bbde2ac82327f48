"""Files that the bench keeps in memory."""

import mmap
import re
import sys
from pathlib import Path

import pytest

from tests.bench.servers.memory import hold


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_are_held_in_memory_until_they_are_let_go(tmp_path: Path) -> None:
    file, empty = tmp_path / "file", tmp_path / "empty"
    file.write_bytes(bytes(mmap.PAGESIZE * 3))
    empty.touch()
    before = locked_bytes()
    held = hold([file, empty])
    assert held is not None
    assert locked_bytes() == before + mmap.PAGESIZE * 3
    held.close()
    assert locked_bytes() == before


def locked_bytes() -> int:
    """What this process holds in memory, by proc(5)."""
    found = re.search(r"VmLck:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) * 1024
