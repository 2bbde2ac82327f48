"""Where and with what something was measured."""

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from service.store.sqlite.pool import describe_driver
from tests.bench.places import ROOT, scratch
from tests.bench.results import Spread

LIBRARIES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "msgspec",
    "aiosqlite",
    "fastapi",
    "pydantic",
)
SYNC_ROUNDS = 5
SYNCS_A_ROUND = 100


def describe_machine() -> dict[str, str]:
    """Processor, memory, system and file system."""
    return {
        "processor": _cpu(),
        "cores": str(os.cpu_count()),
        "memory": f"{_memory('MemTotal') / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _file_system(),
    }


def describe_versions() -> dict[str, str]:
    """Of what was measured, and of wrk, which measured it."""
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return {
        "python": platform.python_version(),
        "database": describe_driver(),
        "database of the baselines": f"sqlite {sqlite3.sqlite_version}",
        **{library: version(library) for library in LIBRARIES},
        "wrk": wrk.stdout.split()[1],
    }


def describe_commit() -> str:
    """The commit; `-dirty` behind it where files differ from it, other than the documentation."""
    commit = _git("describe", "--always") or "unknown"
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ":!docs", ":!*.md")
    return commit + ("-dirty" if changes else "")


def available_kibibytes() -> int:
    """Memory that programs could still have."""
    return _memory("MemAvailable")


def measure_sync_us() -> Spread:
    """Microseconds of one append of 4 KiB and its fdatasync, where the databases are."""
    with scratch() as folder:
        descriptor = os.open(folder / "file", os.O_WRONLY | os.O_CREAT)
        try:
            return Spread.of([_sync_us(descriptor) for _ in range(SYNC_ROUNDS)])
        finally:
            os.close(descriptor)


def _sync_us(descriptor: int) -> float:
    """The median of some."""
    found = []
    for _ in range(SYNCS_A_ROUND):
        began = time.perf_counter()
        os.write(descriptor, bytes(4096))
        os.fdatasync(descriptor)
        found.append(time.perf_counter() - began)
    return statistics.median(found) * 1e6


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory(field: str) -> int:
    """A line of /proc/meminfo, in KiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise KeyError(field)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _file_system() -> str:
    done = subprocess.run(
        ["df", "--output=fstype", ROOT], capture_output=True, text=True, check=False
    )
    return done.stdout.split()[-1]
