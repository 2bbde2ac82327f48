"""What is measured: servers as processes of their own, each with an empty database."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.load import SECRET

PORT = 8799
STOP_SECONDS = 20


class Target(NamedTuple):
    """A server: its command, and the path that answers once it can take webhooks."""

    name: str
    command: list[str]
    ready_path: str


SERVICE = Target("service", [sys.executable, "-m", "service"], "/health/ready")
CEILING = Target(
    "ceiling", [sys.executable, "-m", "tests.bench.ceiling", str(PORT), SECRET.decode()], "/"
)


class Running(NamedTuple):
    """A server that answers."""

    process: subprocess.Popen[bytes]
    start_seconds: float
    """From the start of the process to the first good answer."""

    def resident_mebibytes(self) -> float:
        """The most memory that the process has held."""
        return _status_of(self.process.pid, "VmHWM") / 1024

    def cpu_seconds(self) -> float:
        """Processor time so far, of all threads, in the program and in the system for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(target: Target) -> Iterator[Running]:
    """Start `target` on PORT, its log and its database in a new folder, and stop it at the end."""
    # Not under /tmp, which may be a file system in memory, where fdatasync costs nothing.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        environment = os.environ | {
            "WEBHOOK_SECRET": SECRET.decode(),
            "DATABASE_URL": f"sqlite:///{folder}/app.db",
            "PORT": str(PORT),
        }
        with (Path(folder) / "log").open("wb") as log:
            started = time.monotonic()
            process = subprocess.Popen(target.command, env=environment, stdout=log, stderr=log)
            try:
                _wait_until_ready(process, target)
                yield Running(process, time.monotonic() - started)
            finally:
                process.terminate()
                process.wait(STOP_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], target: Target) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{target.ready_path}"):
                return
        except urllib.error.HTTPError as error:
            if error.code != 503:  # the ceiling has no signature to check: 401 is an answer
                return
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"{target.name} did not start: is port {PORT} in use?")


def _status_of(process_id: int, field: str) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)
