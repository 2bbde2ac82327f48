"""uvicorn, configured: a protocol class with the deadlines it lacks, and a graceful stop."""

import asyncio
import enum
import gc
import signal
import socket
import sys
from asyncio import TimerHandle
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.app import Application
from service.errors import SettingsError, StartError
from service.logs import Log, StandardLogging
from service.middleware import REQUEST_ID_HEADER, fresh_request_id
from service.schemas import encode
from service.settings import Settings

HEAD_BYTES_MAX = 32 * 1024
HEAD_SECONDS = 10
BODY_SECONDS = 30

KEEP_ALIVE_SECONDS = 75
"""Longer than the usual proxies keep a connection (60 s), so that they are the ones to close it."""

GRACEFUL_SECONDS = 7
"""How long a stop waits for requests under way: with what closing takes, it stays within 10 s."""

BACKLOG_CONNECTIONS = 2048
SWITCH_SECONDS = 0.001
GC_ALLOCATIONS = 20_000


class Phase(enum.Enum):
    """What of a request is still to come; the value is how many seconds it may take."""

    HEAD = HEAD_SECONDS
    BODY = BODY_SECONDS


class DeadlineProtocol(HttpToolsProtocol):
    """HTTP/1.1, where the head and the body of a request have deadlines, and the head a bound.

    A request that arrives in one piece, as most do, never starts a timer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))
        self._receiving: Phase | None = None
        self._head_bytes = 0
        self._timed: Phase | None = None
        self._timer: TimerHandle | None = None
        self._refused = False
        self._set_timer(Phase.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._receiving is not Phase.HEAD:
            self._head_bytes = 0
        elif self._head_bytes > HEAD_BYTES_MAX:
            self._refuse_head()
        if self._receiving is not self._timed:
            self._set_timer(self._receiving)

    def on_message_begin(self) -> None:
        self._receiving = Phase.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._receiving = Phase.BODY
        # What came in one piece with its body is measured without it.
        if self._head_bytes > HEAD_BYTES_MAX < _bytes_of_head(self.url, self.headers):
            self._refuse_head()
            raise ValueError("stop parsing")
        super().on_headers_complete()
        # The application has the list it needs; what follows a chunked body is no header of ours.
        self.headers = NoTrailers()

    def on_message_complete(self) -> None:
        self._receiving = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "the request must be valid HTTP/1.1")

    def _set_timer(self, phase: Phase | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timed = phase
        self._timer = None
        if phase is not None:
            self._timer = self.loop.call_later(phase.value, self._on_deadline)

    def _on_deadline(self) -> None:
        if self._receiving is None:
            self.transport.close()  # a connection that never sent a byte
        else:
            part = self._receiving.name.lower()
            self._refuse(408, f"the request's {part} must arrive within {self._receiving.value} s")

    def _refuse_head(self) -> None:
        self._refuse(431, "the request's head must have at most 32 KiB")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer without the application, unless an answer is under way, and close."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.logger.warning("Refused with %d: %s", status, detail)
        if not self._is_answering():
            self.transport.write(_answer(status, detail))
        self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete


class JoiningTransport(asyncio.Transport):
    """Joins what is written in one turn of the event loop: one system call, and one packet, less.

    uvicorn writes the head of an answer, and then its body. On a loopback connection a write
    costs about as much as the whole of what this service does to verify a webhook.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._call_soon = loop.call_soon
        self._parts: list[bytes | bytearray | memoryview] = []
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.write(b"".join(parts))


class NoTrailers(list[tuple[bytes, bytes]]):
    """Takes header fields, and keeps none."""

    def append(self, _field: tuple[bytes, bytes]) -> None:
        pass


class GracefulServer(uvicorn.Server):
    """Ends with the code 0 after SIGTERM and SIGINT, and drains the store whatever the signals."""

    def __init__(self, config: uvicorn.Config, log: Log) -> None:
        super().__init__(config)
        self._log = log

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            self._log.info("listening", host=host, port=port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:
            # A second Ctrl-C stops the waiting for clients; what they were promised is kept.
            await self.lifespan.shutdown()


def serve(settings: Settings) -> None:
    """Run the service until a signal ends it; raises StartError when it does not start."""
    log = Log(settings.log_level)
    try:
        app = Application(settings, log)
        server = GracefulServer(configure(app), log)
        _prepare_interpreter()
        with (
            StandardLogging.installed(log),
            asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner,
        ):
            _run(runner, server, app, listen(settings.host, settings.port))
    finally:
        log.close()


def _prepare_interpreter() -> None:
    """Set what Python does between the lines of this program to its kind of work."""
    # The thread that stores waits up to this long for the loop to let it go on: 5 ms by default,
    # several times in a commit of 5 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    # What lives as long as the process need not be looked at again by the garbage collector, which
    # otherwise runs with every few requests: they make no cycles.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)


def configure(app: Any) -> uvicorn.Config:
    """uvicorn as the service runs it."""
    return uvicorn.Config(
        app,
        http=DeadlineProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        backlog=BACKLOG_CONNECTIONS,
    )


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`; raises StartError where that can't be.

    They are bound before the database is opened, so that a second start on the same port fails
    early, and listen after it, so that nobody is let in too soon.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingsError(
            f"HOST must be a host name or an IP address of this machine: {error.strerror}"
        ) from error
    # One port chosen by the system can't be had on two addresses.
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    return [_bind(family, address) for family, address in (addresses if port else addresses[:1])]


def _run(
    runner: asyncio.Runner, server: GracefulServer, app: Application, sockets: list[socket.socket]
) -> None:
    try:
        runner.run(server.serve(sockets))
    except SystemExit as error:
        # uvicorn's way to say that the lifespan did not start.
        raise app.start_error or StartError("the service did not start") from error
    finally:
        for bound in sockets:
            bound.close()


def _bind(family: int, address: Any) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise StartError(
            f"HOST and PORT: can't listen on {address[0]} port {address[1]}: {error.strerror}"
        ) from error
    return bound


def _bytes_of_head(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)


def _answer(status: int, detail: str) -> bytes:
    body = encode({"detail": detail})
    fields = (
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
        REQUEST_ID_HEADER + b": " + fresh_request_id(),
    )
    return STATUS_LINE[status] + b"\r\n".join(fields) + b"\r\n\r\n" + body
