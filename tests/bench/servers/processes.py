"""What is measured: servers as processes of their own, each on a port of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.bench.traffic.requests import SECRET
from tests.measure.places import ROOT

STOP_SECONDS = 60
START_SECONDS = 60
POLL_SECONDS = 0.005
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
"""Variables that a server has from here. It has no others, so all servers have the same."""


class Target(NamedTuple):
    """A server."""

    name: str
    label: str
    """For a table or a plot."""
    command: tuple[str, ...]
    """It finds its port, its secret and its database in the environment."""
    stores: bool = True
    folder: Path = ROOT
    """Where it runs."""

    def __str__(self) -> str:
        return self.label


def service(folder: Path, label: str) -> Target:
    """The service of a checkout, run by the checkout's own Python if it has a `.venv`."""
    python = folder / ".venv" / "bin" / "python"
    command = str(python) if python.exists() else sys.executable
    return Target("service", label, (command, "-m", "service"), folder=folder)


def _uvicorn(module: str) -> tuple[str, ...]:
    """uvicorn as its documentation recommends it for production, in one process."""
    options = "--loop uvloop --http httptools --no-access-log --log-level warning"
    app = f"tests.bench.baselines.{module}:app"
    return (sys.executable, "-m", "uvicorn", *options.split(), app)


SERVICE = Target("service", "this service", (sys.executable, "-m", "service"))
EVENTS = SERVICE._replace(name="events", label="events of 1 KB")
"""The service under the webhooks of GitHub."""

CEILING = Target(
    "ceiling",
    "ceiling: no storage",
    (sys.executable, "-m", "tests.bench.servers.ceiling"),
    stores=False,
)
FASTAPI = Target("fastapi", "FastAPI + sqlite3", _uvicorn("fastapi_sqlite3"))
STARLETTE = Target("starlette", "Starlette + aiosqlite", _uvicorn("starlette_aiosqlite"))
FASTAPI_ASYNCPG = Target("fastapi_asyncpg", "FastAPI + asyncpg", _uvicorn("fastapi_asyncpg"))

TARGETS = (SERVICE, CEILING, STARLETTE, FASTAPI)


class Running:
    """A server that answers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, start_seconds: float) -> None:
        self.port = port
        self.start_seconds = start_seconds
        """From the start of the process to its first good answer."""
        self.pid = process.pid
        self._cpu_seconds = cpu_seconds(self.pid)
        self._written_bytes = self._read_written()

    def cpu_seconds(self) -> float:
        """Processor time since the first answer: all threads, in the program and in the system."""
        return cpu_seconds(self.pid) - self._cpu_seconds

    def written_bytes(self) -> int:
        """What went to storage since the first answer, in whole pages, with the server's log."""
        return self._read_written() - self._written_bytes

    def resident_mebibytes(self) -> float:
        """The most memory that the process has held."""
        return self._field("status", "VmHWM") / 1024

    def resident_now_mebibytes(self) -> float:
        """The memory that the process holds."""
        return self._field("status", "VmRSS") / 1024

    def open_files(self) -> int:
        """How many descriptors the process has."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def _read_written(self) -> int:
        return self._field("io", "write_bytes")

    def _field(self, file: str, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/{file}").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its descendants, also of those that have ended."""
    first = psutil.Process(pid)
    family = [first, *first.children(recursive=True)]
    times = [process.cpu_times() for process in family if process.is_running()]
    ended = times[0].children_user + times[0].children_system
    return float(sum(time.user + time.system for time in times) + ended)


@contextmanager
def running(
    target: Target,
    database: Path,
    output: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Start `target` on `database`, which it makes if there is none, and stop it at the end.

    Its log goes to the descriptor `output`, or else to a file beside the database. `variables`
    overwrite its environment, DATABASE_URL included. Raises SystemExit if it does not start.
    """
    port = _free_port()
    secrets = dict.fromkeys(("WEBHOOK_SECRET", "SOURCE_GITHUB_SECRET"), SECRET.decode())
    more = secrets | {"PORT": str(port), "UVICORN_PORT": str(port)}
    log_file = database.with_suffix(".log")
    with log_file.open("wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            target.command,
            cwd=target.folder,
            env=environment(database) | more | dict(variables or {}),
            stdout=log if output is None else output,
            stderr=log,
        )
        try:
            if not _becomes_ready(process, port):
                process.kill()
                said = log_file.read_text("utf-8", "replace")[-1000:]
                raise SystemExit(f"{target.label} did not start: {said}")
            yield Running(process, port, time.monotonic() - started)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def environment(database: Path) -> dict[str, str]:
    """What every server finds in its environment, whatever is set here."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {"DATABASE_URL": f"sqlite:///{database}"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _becomes_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready"):
                return True
        except urllib.error.HTTPError as error:
            if error.code != 503:  # the other servers have no such path
                return True
        except OSError:
            pass
        time.sleep(POLL_SECONDS)
    return False
