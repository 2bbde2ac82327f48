"""Builds the shim, which writes the operations of processes to a journal and makes calls fail."""

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
CONTROL = struct.Struct("<IiIII108s")
"""`struct control` of shim.c."""

SHORT = -1
"""In place of an errno: a write takes half of its bytes."""

MANY = 2**32 - 1


class Call(IntFlag):
    """Calls that can be made to fail: `enum call` of shim.c."""

    OPEN = 1
    WRITE = 2
    SYNC = 4
    TRUNCATE = 8
    UNLINK = 16


class NoShim(Exception):
    """The shim can't be built here; the text says why."""


def build(folder: Path) -> Path:
    """The shim, compiled into `folder`; raises NoShim."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NoShim("there is no C compiler (cc, or what CC names)")
    library = folder / "shim.so"
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    command = [compiler, *options, "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoShim(f"{compiler} can't compile {SOURCE.name}: {done.stderr.strip()}")
    if subprocess.run(["true"], env={"LD_PRELOAD": str(library)}, check=False).returncode == 0:
        # Without its variables the shim aborts. If nothing happens, it was not loaded.
        raise NoShim("this system knows no LD_PRELOAD")
    return library


class Shim:
    """The shim of processes whose files are in `disk`."""

    def __init__(self, library: Path, folder: Path) -> None:
        """`folder` gets the journal and, unless it exists, `disk`."""
        self.disk = folder / "disk"
        self.disk.mkdir(exist_ok=True)
        self.journal = folder / "journal"
        self._library = library
        self._control = folder / "control"
        self._control.write_bytes(bytes(CONTROL.size))
        with self._control.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), CONTROL.size)

    def environment(self, process: int = 0) -> dict[str, str]:
        """What makes a process run under it; `process` is its number, where there are several."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAULTS_FOLDER": str(self.disk),
            "FAULTS_JOURNAL": str(self.journal),
            "FAULTS_CONTROL": str(self._control),
            "FAULTS_PROCESS": str(process),
        }

    @contextmanager
    def failing(
        self, calls: Call, error: int, name: str = "", skip: int = 0, times: int = MANY
    ) -> Iterator[None]:
        """Inside the `with`: after `skip` good ones, `times` of `calls` fail with `error`.

        Only those on the file called `name` count, if one is given.
        """
        self._set(calls, error, skip, times, name)
        yield
        self._set(Call(0), 0, 0, 0, name)

    @property
    def hits(self) -> int:
        """How many calls have failed since `failing` began."""
        return int(CONTROL.unpack(self._shared[:])[4])

    def _set(self, calls: Call, error: int, skip: int, times: int, name: str) -> None:
        hits = 0 if calls else self.hits
        control = CONTROL.pack(calls, error, skip, times, hits, name.encode())
        # The kinds of calls are written last: the process reads at the same time.
        self._shared[4:] = control[4:]
        self._shared[:4] = control[:4]
