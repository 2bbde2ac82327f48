"""Where and with what something is measured, and whether the machine is quiet enough for it."""

import os
import platform
import sqlite3
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.measure.places import ROOT
from tests.measure.watch import Watch

QUIET_LOAD = 0.3
"""Load average of the last minute above which figures are worse than they could be."""

QUIET_SECONDS_MAX = 180
"""A load average of 6 falls to QUIET_LOAD in this time on a machine that has become idle."""

LIBRARIES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "msgspec",
    "aiosqlite",
    "asyncpg",
    "fastapi",
    "pydantic",
)


def wait_until_quiet(watch: Watch, seconds_max: float = QUIET_SECONDS_MAX) -> None:
    """Wait until the load of earlier work is forgotten, for at most `seconds_max`."""
    give_up_at = time.monotonic() + seconds_max
    if os.getloadavg()[0] > QUIET_LOAD and seconds_max:
        watch.say(f"Waiting until the machine is idle, for at most {seconds_max:g} s.")
    while (load := os.getloadavg()[0]) > QUIET_LOAD and time.monotonic() < give_up_at:
        time.sleep(1)
    if load > QUIET_LOAD:
        watch.say(f"The machine is not idle (load average {load:.2f}): figures will suffer.")


def describe_machine() -> dict[str, str]:
    """Processor, memory, system and file system."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{_memory('MemTotal') / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _run("df", "--output=fstype", str(ROOT)).split()[-1],
    }


def describe_versions() -> dict[str, str]:
    """Of Python, SQLite and the libraries that are installed here."""
    versions = {"python": platform.python_version(), "sqlite": _sqlite_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def describe_commit(folder: Path = ROOT) -> str:
    """The commit of a checkout; `-dirty` after it if files other than documentation differ."""
    git = ("git", "-C", str(folder))
    commit = _run(*git, "describe", "--always") or "unknown"
    status = ("status", "--porcelain", "--untracked-files=no", "--", ":!docs", ":!*.md")
    return commit + ("-dirty" if _run(*git, *status) else "")


def available_kibibytes() -> int:
    """Memory that programs could still have."""
    return _memory("MemAvailable")


def _sqlite_version() -> str:
    try:
        from pysqlite3 import dbapi2  # noqa: PLC0415  # not on every machine
    except ImportError:
        return sqlite3.sqlite_version
    return f"{dbapi2.sqlite_version} (pysqlite3)"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory(field: str) -> int:
    """A line of /proc/meminfo, in KiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise KeyError(field)


def _run(*command: str) -> str:
    """What a command prints; nothing if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
