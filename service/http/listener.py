"""Accepts connections up to a limit, and answers 503 to the others.

uvloop accepts one connection in each turn of the event loop. Under full load a turn takes a tenth
of a second, so that a new client would wait for many seconds. The listener accepts many in a turn.
"""

import asyncio
import resource
import socket
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from service.api.answers import encode_refusal
from service.api.caller import REQUEST_ID, fresh_request_id
from service.errors import StartError
from service.http.protocol import HttpProtocol
from service.http.sockets import listen
from service.http.transport import LINGER_SECONDS
from service.telemetry.logs import Log
from service.telemetry.metrics import Metrics

CONNECTIONS_MAX = 5_000
"""Each with a message that waits for its commit: 75 MiB in all, and half a second of work."""

DESCRIPTORS_RESERVED = 128
"""Open files that are not connections: at most 60 of the database, and refused connections."""

REFUSALS_MAX = 50
"""How many refused connections wait at a time for their requests to begin to arrive."""

IDLE_SECONDS = 5
"""Without room, connections that have been idle for so long are closed."""

BACKLOG_CONNECTIONS = 2048

ACCEPTS_A_TURN = 128
"""A connection beyond the limit is refused in the order of arrival. When 1,500 connect at once, the
last waits half a second for its refusal. Twice as many a turn would halve that, and would take a
tenth of the time from the clients that are served: a refusal costs a third of a webhook."""

PAUSE_SECONDS = 0.5

SWEEP_SECONDS = 2
"""How often to look for idle connections; at 0.5 s it took 5 % of the time under full load."""

REPORT_SECONDS = 10
REQUEST_BYTES = 64 * 1024

MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)
"""Sends the answer and the end of the connection in one packet, where the system can."""

REFUSED = b"HTTP/1.1 503 Service Unavailable\r\n"


class Listener:
    """Accepts at most `connections_max` connections on bound sockets, from `open` to `close`."""

    def __init__(
        self, sockets: Sequence[socket.socket], connections_max: int, metrics: Metrics, log: Log
    ) -> None:
        self._sockets = sockets
        self._connections_max = connections_max
        self._metrics = metrics
        self._log = log
        self._refusals = Refusals(metrics, log)
        self._swept_at = float("-inf")
        self._arriving: dict[HttpProtocol, asyncio.Task[Any]] = {}

    def open(
        self, create_protocol: Callable[[], HttpProtocol], connections: Collection[Any]
    ) -> None:
        """Listen; `connections` are the protocols of the open connections."""
        self._create_protocol = create_protocol
        self._connections = connections
        self._metrics.connections.set_function(connections.__len__)
        self._loop = asyncio.get_running_loop()
        for listening in self._sockets:
            listening.setblocking(False)
            listen(listening, BACKLOG_CONNECTIONS)
            self._resume(listening)
            host, port = listening.getsockname()[:2]
            self._log.info("listening", host=host, port=port)

    async def close(self) -> None:
        """Accept no more, and return when every accepted connection has its protocol."""
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._refusals.close()
        await asyncio.gather(*self._arriving.values(), return_exceptions=True)

    def _resume(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        room = self._count_room()
        for _ in range(ACCEPTS_A_TURN):
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                # The system has no room now (EMFILE, ENFILE, ENOBUFS, ENOMEM).
                self._log.error("accept_failed", reason=error.strerror)
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE_SECONDS, self._resume, listening)
                return
            accepted.setblocking(False)
            if room > 0:
                room -= 1
                self._take(accepted)
            else:
                self._refusals.refuse(accepted)
                self._make_room()

    def _make_room(self) -> None:
        """Close idle connections, so that the next clients find room."""
        now = time.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            for connection in list(self._connections):
                connection.close_if_idle(IDLE_SECONDS)

    def _count_room(self) -> int:
        arriving = sum(protocol not in self._connections for protocol in self._arriving)
        return self._connections_max - len(self._connections) - arriving

    def _take(self, accepted: socket.socket) -> None:
        protocol = self._create_protocol()
        taking = self._loop.connect_accepted_socket(lambda: protocol, accepted)
        self._arriving[protocol] = task = self._loop.create_task(taking)
        task.add_done_callback(lambda _: self._arriving.pop(protocol))


class Refusals:
    """Answers 503 to connections beyond the limit, and closes them without reading a request."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self._metrics = metrics
        self._log = log
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._refused = 0
        self._reported_at = float("-inf")

    def refuse(self, accepted: socket.socket) -> None:
        """Answer 503 when the request begins to arrive, which it mostly has.

        The system resets a connection that is closed with unread bytes. A reset can take the answer
        from the client.
        """
        self._metrics.connections_refused.inc()
        self._refused += 1
        self._report(self._refused)
        if not _has_begun(accepted) and len(self._waiting) < REFUSALS_MAX:
            loop = asyncio.get_running_loop()
            loop.add_reader(accepted, self._end, accepted)
            self._waiting[accepted] = loop.call_later(LINGER_SECONDS, self._end, accepted)
        else:
            _answer_and_close(accepted)

    def close(self) -> None:
        """Answer those that still wait."""
        for accepted in list(self._waiting):
            self._end(accepted)

    def _end(self, accepted: socket.socket) -> None:
        self._waiting.pop(accepted).cancel()
        asyncio.get_running_loop().remove_reader(accepted)
        _has_begun(accepted)
        _answer_and_close(accepted)

    def _report(self, total: int) -> None:
        """Write one line in REPORT_SECONDS, not one for each of thousands."""
        now = time.monotonic()
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            self._log.warning("connections_refused", total=total)


def allow_connections() -> int:
    """Raise the soft limit on open files, and return how many connections it allows.

    Raises StartError if the hard limit leaves none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + DESCRIPTORS_RESERVED
    if resource.RLIM_INFINITY != soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    if soft <= DESCRIPTORS_RESERVED:
        raise StartError(
            f"the limit on open files is {soft}, and the service needs more than that (ulimit -n)"
        )
    return min(CONNECTIONS_MAX, soft - DESCRIPTORS_RESERVED)


def _has_begun(accepted: socket.socket) -> bool:
    """Whether bytes of the request have arrived; they are read and discarded."""
    with suppress(OSError):
        return bool(accepted.recv(REQUEST_BYTES))
    return False


def _answer_and_close(accepted: socket.socket) -> None:
    body = encode_refusal("too many connections are open")
    fields = (
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
        b"retry-after: 1",
        REQUEST_ID + b": " + fresh_request_id(),
    )
    with accepted, suppress(OSError):
        accepted.send(REFUSED + b"\r\n".join(fields) + b"\r\n\r\n" + body, MORE_FOLLOWS)
        accepted.shutdown(socket.SHUT_WR)
