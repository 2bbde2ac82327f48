"""Where the bench keeps what it makes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

FOLDER = ROOT / "data" / "bench"
"""Git-ignored. Not under /tmp, which may be a file system in memory, where a sync costs nothing."""

SCRATCH = "scratch-"

PUBLISHED = ROOT / "docs" / "bench"
"""What `just bench full` measured; committed, and shown by the documentation."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of its own, gone at the end."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    prefix = f"{SCRATCH}{os.getpid()}-"
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=prefix) as folder:
        yield Path(folder)


def sweep() -> None:
    """Remove what benches left that were killed: it may be tens of gigabytes."""
    for folder in FOLDER.glob(f"{SCRATCH}*"):
        process_id = folder.name.split("-")[1]
        if not Path("/proc", process_id).exists():
            shutil.rmtree(folder, ignore_errors=True)
