"""A standard output that is not read, under all the webhooks that the service takes."""

import os
import threading
import time

from tests.bench.servers.processes import SERVICE, running
from tests.load.traffic import Traffic, requests_for, scrape
from tests.measure.findings import Finding, at_least, at_most, exactly, told
from tests.measure.places import scratch
from tests.measure.watch import Watch

LOAD = """\
128 connections that send as fast as they get answers. Standard output is a pipe, which is read at
first, then is not read, and is read again in the end."""

READ_BYTES = 2**20
WRITTEN_SECONDS = 2
"""In which the service writes what its buffer holds."""

DROPPED = "log_lines_dropped_total"


class Reader:
    """Counts the lines of requests that come out of a pipe, while it may read."""

    def __init__(self, descriptor: int) -> None:
        self.lines = 0
        self.may_read = threading.Event()
        self.may_read.set()
        self._descriptor = descriptor
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def join(self) -> None:
        """Wait until the pipe is closed."""
        self._thread.join()

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._descriptor, READ_BYTES):
            self.may_read.wait()
            whole, _, rest = (rest + chunk).rpartition(b"\n")
            self.lines += whole.count(b'"event":"request"')


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds with the output read, and as many without."""
    requests = requests_for(2 * seconds, watch)
    descriptor, output = os.pipe()
    reader = Reader(descriptor)
    try:
        with scratch() as folder, running(SERVICE, folder / "app.db", output) as server:
            os.close(output)
            traffic = Traffic(requests, server.port)
            read = traffic.peak(seconds)
            reader.may_read.clear()
            blocked = traffic.peak(seconds)
            reader.may_read.set()
            time.sleep(WRITTEN_SECONDS)
            lines, metrics = reader.lines, scrape(server.port)
            memory = server.resident_mebibytes()
    finally:
        reader.may_read.set()
        reader.join()
        os.close(descriptor)
    dropped = metrics[DROPPED]
    answered = sum(n for name, n in metrics.items() if name.startswith("http_requests_total{"))
    missing = answered - lines - dropped
    return [
        told("webhooks/s, read", read.requests_per_second),
        told("webhooks/s, not read", blocked.requests_per_second),
        told("p99, read", read.p99_ms, "ms"),
        told("p99, not read", blocked.p99_ms, "ms"),
        at_most("p99 not read, times that read", blocked.p99_ms / read.p99_ms, "", 2),
        told("slowest, read", read.max_ms, "ms"),
        told("slowest, not read", blocked.max_ms, "ms"),
        at_most("slowest not read, times that read", blocked.max_ms / read.max_ms, "", 2),
        exactly("not answered 200", read.errors + blocked.errors, 0),
        at_least("lines dropped", dropped, "", 1),
        exactly("requests neither in a line nor counted as dropped", missing, 0),
        at_most("memory, at most", memory, "MiB", 250),
    ]
