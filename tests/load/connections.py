"""Thousands of connections that begin a request and never end it."""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from service.http.deadlines import BODY_SECONDS, HEAD_SECONDS
from service.http.listener import CONNECTIONS_MAX, DESCRIPTORS_RESERVED
from service.settings import Settings
from tests.bench.servers.processes import SERVICE, Running, running
from tests.bench.traffic.wrk import Result
from tests.load.traffic import (
    PEAK_SHARE,
    Traffic,
    allow_files,
    count_errors,
    meanwhile,
    median_p99,
    probe,
    requests_for,
)
from tests.measure.figures import percentile
from tests.measure.findings import Finding, at_most, exactly, told
from tests.measure.places import scratch
from tests.measure.watch import Watch

OF_EACH = 1_000
LOAD = f"""\
{OF_EACH:,} connections that send a request's head a byte a second, {OF_EACH:,} that announce a
body and send none, {OF_EACH:,} that were served once and then send nothing. A connection that is
closed is replaced, until honest traffic at half the peak was measured beside them. In the end as
many connections as the service holds, and {OF_EACH:,} more."""

WINDOW_SECONDS = 3
DRIPS_A_SECOND = 20
"""Each sends the next byte of a part of the heads, so that every head gets a byte a second."""
LATE_SECONDS = 3
"""The most between a deadline and the end of the connection, which still sends its answer."""

HEAD = b"POST /webhook HTTP/1.1\r\nHost: a\r\nX-Filling: " + b"a" * 200
BODY = b"POST /webhook HTTP/1.1\r\nHost: a\r\nX-Signature: 00\r\nContent-Length: 100\r\n\r\n"
IDLE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


class Kind(NamedTuple):
    """A way to hold a connection."""

    name: str
    sends: bytes
    drips: bool
    deadline_seconds: float


KINDS = (
    Kind("a head byte by byte", HEAD, True, HEAD_SECONDS),
    Kind("no body", BODY, False, BODY_SECONDS),
    Kind("idle", IDLE, False, Settings().keep_alive_seconds),
)


class Held:
    """One connection that is held open."""

    def __init__(self, kind: Kind, port: int) -> None:
        self.kind = kind
        self.began_at = time.monotonic()
        self.wire = socket.create_connection(("127.0.0.1", port), 10)
        self.wire.setblocking(False)
        self.sent = 1 if kind.drips else len(kind.sends)
        self.wire.send(kind.sends[: self.sent])

    def drip(self) -> None:
        """Send the next byte."""
        with suppress(OSError):
            self.sent += self.wire.send(self.kind.sends[self.sent : self.sent + 1])

    def is_over(self) -> bool:
        """Read what has arrived, and tell whether the service has closed the connection."""
        try:
            return not self.wire.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True


class Crowd:
    """Holds connections of every kind, and notes how long each of them lasts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._held: set[Held] = set()
        self._dripping: deque[Held] = deque()
        self.lasted: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
        self.most = 0
        self.is_leaving = threading.Event()
        """Set: a connection that is closed is not replaced."""

    def hold(self, is_over: Callable[[], bool]) -> None:
        """Hold them until `is_over`, or until all are closed."""
        for kind in KINDS:
            for _ in range(OF_EACH):
                self._come(kind)
        self.most, drip_at = len(self._held), time.monotonic()
        while self._held and not is_over():
            if time.monotonic() >= drip_at:
                drip_at += 1 / DRIPS_A_SECOND
                self._drip()
            for key, _ in self._selector.select(max(0, drip_at - time.monotonic())):
                if key.data.is_over():
                    self._leave(key.data)
                    if not self.is_leaving.is_set():
                        self._come(key.data.kind)

    def _drip(self) -> None:
        """Send the next byte of some heads, unless their connection is closed."""
        count = len(self._dripping) // DRIPS_A_SECOND
        for held in [self._dripping.popleft() for _ in range(count)]:
            if held in self._held:
                held.drip()
                self._dripping.append(held)

    def _come(self, kind: Kind) -> None:
        held = Held(kind, self._port)
        self._selector.register(held.wire, selectors.EVENT_READ, held)
        self._held.add(held)
        if kind.drips:
            self._dripping.append(held)

    def _leave(self, held: Held) -> None:
        self.lasted[held.kind].append(time.monotonic() - held.began_at)
        self._selector.unregister(held.wire)
        self._held.discard(held)
        held.wire.close()


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """Honest traffic for so many seconds beside the crowd, and as long alone before and after it.

    The database grows meanwhile, which alone can make the p99 half as high again.
    """
    allow_files(CONNECTIONS_MAX + 2 * OF_EACH)
    requests = requests_for(3 * seconds + 30, watch)
    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        traffic = Traffic(requests, server.port)
        rate = traffic.peak(WINDOW_SECONDS).requests_per_second * PEAK_SHARE
        alone = _windows(traffic, rate, seconds)
        crowd = Crowd(server.port)
        watch.say(f"connections: {len(KINDS) * OF_EACH:,} of them")
        with meanwhile(1, crowd.hold):
            while not crowd.most:
                time.sleep(0.1)
            beside = _windows(traffic, rate, seconds)
            files = server.open_files()
            crowd.is_leaving.set()
            watch.say(f"connections: waiting for the end of all, {Settings().keep_alive_seconds} s")
            _wait_for(lambda: not crowd._held, Settings().keep_alive_seconds + 15)
            left = len(crowd._held)
        alone += _windows(traffic, rate, seconds)
        return [
            told("honest traffic", rate, "webhooks/s"),
            told("their p99 alone", median_p99(alone), "ms"),
            told("their p99 beside", median_p99(beside), "ms"),
            at_most("p99 beside, times that alone", median_p99(beside) / median_p99(alone), "", 2),
            exactly("honest webhooks not answered 200", count_errors(beside), 0),
            *(_lifetime(kind, crowd.lasted[kind]) for kind in KINDS),
            exactly("never closed", left, 0),
            at_most("open files", files, "", CONNECTIONS_MAX + DESCRIPTORS_RESERVED),
            *_near_the_limit(server),
        ]


def _near_the_limit(server: Running) -> Iterable[Finding]:
    """As many connections as the service holds, and then more."""
    held = [Held(KINDS[1], server.port) for _ in range(CONNECTIONS_MAX)]
    time.sleep(1)
    files = server.open_files()
    late = [probe(server.port) for _ in range(OF_EACH)]
    for one in held:
        one.wire.close()
    clear = sum(one.status == 503 and one.says_when for one in late)
    yield told("connections held at the limit", len(held))
    yield at_most("open files at the limit", files, "", CONNECTIONS_MAX + DESCRIPTORS_RESERVED)
    yield exactly("of 1,000 more, refused with 503 and Retry-After", clear, OF_EACH)
    yield told("refused after, p99", percentile([one.seconds for one in late], 99) * 1_000, "ms")


def _windows(traffic: Traffic, rate: float, seconds: int) -> list[Result]:
    return [traffic.at(rate, WINDOW_SECONDS) for _ in range(max(1, seconds // WINDOW_SECONDS))]


def _lifetime(kind: Kind, lasted: Sequence[float]) -> Finding:
    most = kind.deadline_seconds + LATE_SECONDS
    return at_most(f"{kind.name}: {len(lasted):,} closed after, at most", max(lasted), "s", most)


def _wait_for(holds: Callable[[], bool], seconds: float) -> None:
    """At most so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
