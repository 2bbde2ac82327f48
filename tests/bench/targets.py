"""What is measured: servers as processes of their own, on a port of their own."""

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

from tests.bench.load import SECRET
from tests.bench.places import ROOT

STOP_SECONDS = 60
START_SECONDS = 60


class Target(NamedTuple):
    """A server."""

    name: str
    label: str
    """For a table or a plot."""
    command: tuple[str, ...]
    """It finds its port, its secret and its database in the environment."""
    stores: bool


def _uvicorn(module: str) -> tuple[str, ...]:
    """uvicorn as its documentation recommends it for production, in one process."""
    options = "--loop uvloop --http httptools --no-access-log --log-level warning"
    app = f"tests.bench.baselines.{module}:app"
    return (sys.executable, "-m", "uvicorn", *options.split(), app)


SERVICE = Target("service", "this service", (sys.executable, "-m", "service"), True)
CEILING = Target(
    "ceiling", "ceiling: no storage", (sys.executable, "-m", "tests.bench.ceiling"), False
)
FASTAPI = Target("fastapi", "FastAPI + sqlite3", _uvicorn("fastapi_sqlite3"), True)
STARLETTE = Target("starlette", "Starlette + aiosqlite", _uvicorn("starlette_aiosqlite"), True)

POSTGRES_SERVICE = Target(
    "postgres_service",
    "this service on PostgreSQL",
    (sys.executable, "-m", "tests.bench.postgres_service"),
    True,
)
"""One thing of it varies: `tests.bench.postgres_service`."""
FASTAPI_ASYNCPG = Target("fastapi_asyncpg", "FastAPI + asyncpg", _uvicorn("fastapi_asyncpg"), True)

TARGETS = (SERVICE, CEILING, STARLETTE, FASTAPI)
STORING = tuple(target for target in TARGETS if target.stores)


class Running:
    """A server that answers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, start_seconds: float) -> None:
        self.port = port
        self.start_seconds = start_seconds
        """From the start of the process to its first good answer."""
        self.pid = process.pid
        self._cpu_seconds = self._read_cpu()
        self._written_bytes = self._read_written()

    def cpu_seconds(self) -> float:
        """Processor time since the first answer: all threads, in the program and in the system."""
        return self._read_cpu() - self._cpu_seconds

    def written_bytes(self) -> int:
        """What went to storage since the first answer, in whole pages, the log included."""
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
        """Send the process a signal."""
        os.kill(self.pid, number)

    def _read_cpu(self) -> float:
        fields = self._read("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read_written(self) -> int:
        return self._field("io", "write_bytes")

    def _field(self, file: str, name: str) -> int:
        for line in self._read(file).splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)

    def _read(self, file: str) -> str:
        return Path(f"/proc/{self.pid}/{file}").read_text()


@contextmanager
def running(
    target: Target,
    database: Path,
    output: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Start `target` on `database`, which it makes where there is none, and stop it at the end.

    Its log goes to the descriptor `output`, or else to a file beside the database. `variables` are
    more of its environment; a DATABASE_URL among them is another database than the file.
    """
    port = _free_port()
    environment = os.environ | {
        "WEBHOOK_SECRET": SECRET.decode(),
        "DATABASE_URL": f"sqlite:///{database}",
        "PORT": str(port),
        "UVICORN_PORT": str(port),
        **(variables or {}),
    }
    with database.with_suffix(".log").open("wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            target.command,
            cwd=ROOT,
            env=environment,
            stdout=log if output is None else output,
            stderr=log,
        )
        try:
            _wait_until_ready(process, target, port)
            yield Running(process, port, time.monotonic() - started)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], target: Target, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready"):
                return
        except urllib.error.HTTPError as error:
            if error.code != 503:  # the others have no such path, and answer that
                return
        except OSError:
            pass
        time.sleep(0.005)
    process.kill()
    raise SystemExit(f"{target.label} did not start")
