"""wrk, which sends the requests of a file."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("webhook.lua")
TIMEOUT_SECONDS = 30
LONG_SECONDS = 3_600


class Result(NamedTuple):
    """What wrk saw in one run. Latencies include the wait of requests that a stall held back."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    """Answers other than 2xx and 3xx, and requests without an answer."""
    position: int
    """The byte of the file at which the next run may begin, so that every message is new."""
    wraps: int
    """How often the file was begun again, and its messages were sent again."""

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def is_good(self) -> bool:
        """Every message was new, and was answered with 200. Otherwise the run is no figure."""
        return not (self.errors or self.wraps)


def find_wrk() -> str:
    """The path of wrk; raises SystemExit with a sentence if it is not installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("This needs wrk: apt-get install wrk.")
    return wrk


def run_wrk(
    file: Path, port: int, connections: int, seconds: int, position: int = 0, rate: float = 0
) -> Result:
    """Post the requests of `file` from byte `position` on, over connections kept open.

    `rate` is in requests a second, over all connections; 0: as many as get answers.
    """
    command = _command(file, port, connections, seconds, position, rate)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return _parse(done.stdout)


class Pacing:
    """A wrk that sends at a steady rate until `stop`."""

    def __init__(
        self, file: Path, port: int, connections: int, rate: float, position: int = 0
    ) -> None:
        """`rate` is in requests a second, over all connections."""
        command = _command(file, port, connections, LONG_SECONDS, position, rate)
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def stop(self) -> Result:
        """What it saw; raises SystemExit if it has already ended."""
        if self._process.poll() is not None:
            raise SystemExit("wrk ended too soon")
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate()
        return _parse(output)

    def kill(self) -> None:
        """End it if it has not ended."""
        self._process.kill()
        self._process.wait()


@contextmanager
def pacing(
    file: Path, port: int, connections: int, rate: float, position: int = 0
) -> Iterator[Pacing]:
    """Send at a steady rate inside the context, and leave no process behind."""
    wrk = Pacing(file, port, connections, rate, position)
    try:
        yield wrk
    finally:
        wrk.kill()


def _command(
    file: Path, port: int, connections: int, seconds: int, position: int, rate: float
) -> list[str]:
    options = {
        "--threads": 1,
        "--connections": connections,
        "--duration": f"{seconds}s",
        "--timeout": f"{TIMEOUT_SECONDS}s",
        "--script": SCRIPT,
    }
    words = [str(word) for option in options.items() for word in option]
    url = f"http://127.0.0.1:{port}"
    return [find_wrk(), *words, url, "--", str(file), str(position), str(rate)]


def _parse(output: str) -> Result:
    return Result(**json.loads(output.splitlines()[-1]))
