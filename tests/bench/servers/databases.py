"""Large databases: built once by `import`, and kept for the next bench."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench.servers.files import parts
from tests.bench.servers.memory import hold
from tests.bench.servers.processes import SERVICE, Target, environment
from tests.bench.traffic import dataset
from tests.measure.places import FOLDER
from tests.measure.watch import Watch

NAME = "app.db"
KEPT = FOLDER / "databases"
SECONDS_FILE = "seconds"


class Original(NamedTuple):
    """A database that is kept. It is copied, and never written to."""

    messages: int
    path: Path

    @property
    def build_seconds(self) -> float:
        """How long `import` took."""
        return float(self.path.with_name(SECONDS_FILE).read_text())


def prepare(messages: int, watch: Watch, target: Target = SERVICE) -> Original:
    """A database of so many messages, built by `target` if none of its schema is kept."""
    folder = KEPT / f"{messages}-{digest(target, Path(dataset.__file__))}"
    if not folder.exists():
        partial = KEPT / f"{messages}-partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        began = time.monotonic()
        import_messages(messages, target, environment(partial / NAME), watch)
        (partial / SECONDS_FILE).write_text(f"{time.monotonic() - began:.1f}")
        partial.rename(folder)
    return Original(messages, folder / NAME)


def import_messages(count: int, target: Target, variables: dict[str, str], watch: Watch) -> None:
    """Have `target` import the messages of `dataset`; raises SystemExit if it fails."""
    command = [*target.command, "import", "-"]
    process = subprocess.Popen(
        command, cwd=target.folder, env=variables, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    with process.stdin as lines:
        for message in watch.track("importing messages", dataset.messages(count), count):
            lines.write(message.encode() + b"\n")
    if code := process.wait():
        raise SystemExit(f"{target}: import ended with the code {code}")


class Copy:
    """A database to write to, in a folder of its own."""

    def __init__(self, original: Original | None, folder: Path) -> None:
        """A copy of `original`; None: no database yet."""
        folder.mkdir()
        self.database = folder / NAME
        self.position = 0
        """The byte of the file of requests after those that this database was sent."""
        self._held: ExitStack | None = None
        if original is not None:
            copy_files(original.path, folder)

    def hold(self, watch: Watch) -> None:
        """Keep its files in memory, as large as they are now."""
        self._release()
        self._held = hold(parts(self.database))
        if self._held is None:
            watch.say(f"{self.database} may not stay in memory (ulimit -l, or too little memory)")

    def drop(self) -> None:
        """Give the disk's space back, and the memory."""
        self._release()
        shutil.rmtree(self.database.parent)

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


def copy_files(original: Path, folder: Path) -> None:
    """Copy a database, and leave in memory what will be used: the copies."""
    for part in parts(original):
        shutil.copyfile(part, folder / part.name)
    for part in parts(folder / original.name):
        _at(part, os.fsync)
    for part in parts(original):
        _at(part, lambda descriptor: os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED))


def digest(target: Target, maker: Path) -> str:
    """Of all SQL of the checkout, and of the module that makes the rows."""
    sql = target.folder / "sql" / "sqlite"
    files = [*sorted(sql.rglob("*.sql")), maker]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _at(file: Path, do: Callable[[int], object]) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        do(descriptor)
    finally:
        os.close(descriptor)
