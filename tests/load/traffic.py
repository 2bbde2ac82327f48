"""Honest traffic, probes, and what the service counts."""

import math
import resource
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.bench.plan import PACED_CONNECTIONS, PEAK_CONNECTIONS
from tests.bench.traffic.client import Client
from tests.bench.traffic.requests import short_requests, signed_request
from tests.bench.traffic.wrk import Pacing, Result, run_wrk
from tests.measure.watch import Watch
from tests.support.service import encode, message, samples

MESSAGES_PER_SECOND_MAX = 15_000
"""More than the service takes."""

MESSAGES_A_FILE = 500_000
"""Files have a multiple of that many, so that load tests share them."""

PEAK_SHARE = 0.5
"""Honest traffic, as a share of the peak."""

ANSWER_BYTES = 2**16
TIMEOUT_SECONDS = 10
CREATED = 'webhook_requests_total{result="created",source="webhook"}'


def requests_for(seconds: float, watch: Watch) -> Path:
    """Signed requests for so many seconds at the peak."""
    files = math.ceil(seconds * MESSAGES_PER_SECOND_MAX / MESSAGES_A_FILE)
    return short_requests(files * MESSAGES_A_FILE, watch)


class Traffic:
    """Sends the requests of a file to a port, each once."""

    def __init__(self, file: Path, port: int) -> None:
        self._file = file
        self._port = port
        self._position = 0

    def peak(self, seconds: int, connections: int = PEAK_CONNECTIONS) -> Result:
        """As many as get answers."""
        return self._note(run_wrk(self._file, self._port, connections, seconds, self._position))

    def at(self, rate: float, seconds: float, connections: int = PACED_CONNECTIONS) -> Result:
        """So many a second."""
        wrk = Pacing(self._file, self._port, connections, rate, self._position)
        try:
            time.sleep(seconds)
            return self._note(wrk.stop())
        finally:
            wrk.kill()

    def _note(self, result: Result) -> Result:
        if result.wraps:
            raise SystemExit("The requests ran out: no figure.")
        self._position = result.position
        return result


class Probe(NamedTuple):
    """One webhook on a connection of its own."""

    ended_at: float
    """By `time.monotonic`."""
    status: int
    """0 if there was no answer."""
    seconds: float
    says_when: bool
    """Whether the answer has a Retry-After."""


def probe(port: int) -> Probe:
    """Connect, deliver a new message, and close."""
    body = encode(message(message_id=str(uuid.uuid4())))
    began, answer = time.monotonic(), b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as wire:
        wire.sendall(signed_request(body))
        answer = wire.recv(ANSWER_BYTES)
    ended = time.monotonic()
    status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
    return Probe(ended, status, ended - began, b"\r\nretry-after: " in answer.lower())


@contextmanager
def meanwhile(count: int, work: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
    """`count` threads that work until the end; each can ask whether it has come."""
    is_over = threading.Event()
    threads = [threading.Thread(target=work, args=(is_over.is_set,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def scrape(port: int) -> dict[str, float]:
    """The service's metrics."""
    with Client(port) as client:
        return samples(client.get("/metrics").body.decode())


def allow_files(count: int) -> None:
    """Let this process, and those that it starts, have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"This needs {count} open files, and may have {hard} (ulimit -Hn).")
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def median_p99(results: Sequence[Result]) -> float:
    """The median of all windows, in milliseconds."""
    return statistics.median(result.p99_ms for result in results)


def count_errors(results: Sequence[Result]) -> int:
    """Answers other than 200, and requests without an answer."""
    return sum(result.errors for result in results)
