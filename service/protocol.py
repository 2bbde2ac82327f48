"""HTTP/1.1 as uvicorn speaks it, with the deadlines and the bounds that it lacks."""

import asyncio
import enum
import sys
from asyncio import TimerHandle
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.asgi import BODY_IS_LATE
from service.middleware import REQUEST_ID_HEADER, fresh_request_id, request_id_of
from service.schemas import Refusal, encode

HEAD_BYTES_MAX = 32 * 1024
HEAD_SECONDS = 10
BODY_SECONDS = 30

TAKE_SECONDS = 30
"""How long a client may take nothing of an answer that waits for it."""

LINGER_SECONDS = 2
"""How long a client that was refused has to read why."""


class Phase(enum.Enum):
    """What of a request is still to come; the value is how many seconds it may take."""

    HEAD = HEAD_SECONDS
    BODY = BODY_SECONDS


class DeadlineProtocol(HttpToolsProtocol):
    """HTTP/1.1, where the head and the body of a request have deadlines, and the head a bound.

    So has an answer that is too large for the buffers between here and the client.

    A request that arrives in one piece, as most do, never starts a timer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))
        self._receiving: Phase | None = None
        self._heads_in_piece = 0
        self._head_bytes = 0
        self._timed: Phase | None = None
        self._timer: TimerHandle | None = None
        self._take_timer: TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._refused = False
        self._unparsed = self._parsed = b""
        self._set_timer(Phase.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        self._stop_expecting()
        super().connection_lost(exc)
        # uvicorn tells the last request of the pipeline alone, which may not have begun.
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_taking(sys.maxsize, 0)

    def resume_writing(self) -> None:
        self._stop_expecting()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_between_requests = self._receiving is None
        self._heads_in_piece = 0
        self._head_bytes += len(data)
        self._parse(data)
        if self._receiving is Phase.HEAD:
            # Either it began with this piece, or it goes on in it.
            self._bound_head(has_whole_piece=self._heads_in_piece == was_between_requests)
        else:
            self._head_bytes = 0
        self._watch(is_only_empty_lines=was_between_requests and not self._heads_in_piece)

    def on_message_begin(self) -> None:
        self._receiving = Phase.HEAD
        self._heads_in_piece += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        # What came in one piece with its body is measured without it.
        if self._head_bytes > HEAD_BYTES_MAX < _bytes_of_head(self.url, self.headers):
            self._refuse_head()
            raise ValueError("stop parsing")
        if self._offers_upgrade():
            return
        super().on_headers_complete()
        self._receiving = Phase.BODY
        # The application has the list it needs; what follows a chunked body is no header of ours.
        self.headers = NoTrailers()

    def on_message_complete(self) -> None:
        self._receiving = None
        if not self._offers_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "the request must be valid HTTP/1.1")

    def _parse(self, data: bytes) -> None:
        self._unparsed = data
        while self._unparsed:
            self._parsed, self._unparsed = self._unparsed, b""
            super().data_received(self._parsed)
        self._parsed = b""

    def _bound_head(self, has_whole_piece: bool) -> None:
        if not has_whole_piece:
            # The piece began with something else: count what is known to be of this head.
            self._head_bytes = _bytes_of_head(self.url, self.headers)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse_head()

    def _offers_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _unsupported_upgrade_warning(self) -> None:
        """Take a request that offers to upgrade (RFC 9110, 7.8) as one that does not.

        uvicorn calls this where its parser has stopped behind such a head. It would leave out the
        body, which Java's client, for one, sends with the first request of a connection.
        """
        stopped, method = sys.exc_info()[1], self.parser.get_method()
        if method == b"CONNECT" or not isinstance(stopped, HttpParserUpgrade):
            return
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        first = b"%s %s HTTP/%s\r\n" % (
            method,
            self.url,
            self.parser.get_http_version().encode(),
        )
        rest = self._parsed[stopped.args[0] :]
        self._unparsed = b"".join([first, *fields, b"\r\n", rest])
        self.parser = HttpRequestParser(self)

    def _watch(self, is_only_empty_lines: bool) -> None:
        """Start, stop or leave the timers, as the piece that just came calls for."""
        if self._refused:
            return
        is_new = self._heads_in_piece > 0 or self._receiving is not self._timed
        if is_new and not is_only_empty_lines and (self._receiving or self._timed):
            self._set_timer(self._receiving)
        cycle: RequestResponseCycle | None = self.cycle
        if self._receiving is None and cycle is not None and cycle.response_complete:
            # uvicorn waits for the next request from an answer on, and forgets it at any byte.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

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
            if self._receiving is Phase.BODY:
                # So that the application can tell it from a client that left.
                self.cycle.scope["state"][BODY_IS_LATE] = True
            self._refuse(408, f"the request's {part} must arrive within {self._receiving.value} s")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _expect_taking(self, bytes_before: int, deadline: float) -> None:
        """Cut the connection when the bytes that wait for the client do not become fewer in time.

        Only waiting for them to be few would cut off a client that is slow, and would never cut
        off one that is gone: closing a connection waits for what is still to be sent.
        """
        bytes_now, now = self.transport.get_write_buffer_size(), self.loop.time()
        if bytes_now < bytes_before:
            deadline = now + TAKE_SECONDS
        if now < deadline:
            self._take_timer = self.loop.call_later(
                TAKE_SECONDS / 10, self._expect_taking, bytes_now, deadline
            )
        else:
            self.logger.warning("Cut off: the client took nothing for %s s", TAKE_SECONDS)
            self.transport.abort()

    def _stop_expecting(self) -> None:
        if self._take_timer is not None:
            self._take_timer.cancel()
            self._take_timer = None

    def _refuse_head(self) -> None:
        self._refuse(431, "the request's head must have at most 32 KiB")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer without the application, where it is this request's turn, and read no more."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._set_timer(None)
        self.logger.warning("Refused with %d: %s", status, detail)
        cycle: RequestResponseCycle | None = self.cycle
        request_id = fresh_request_id()
        if cycle is not None and self._receiving is Phase.BODY:
            if self.pipeline or cycle.response_started:
                self.transport.close()
                return
            request_id = request_id_of(list(cycle.scope["headers"]))
            cycle.disconnected = True
            cycle.message_event.set()
        elif cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False  # closes the connection behind what is still to be answered
            return
        self.transport.write(_answer(status, detail, request_id))
        self._hang_up()

    def _hang_up(self) -> None:
        """Close, but first leave the client time to read.

        Bytes that it still sends would reach a closed socket, which answers with a reset, and the
        reset would take the answer from it.
        """
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


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
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

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


def _bytes_of_head(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)


def _answer(status: int, detail: str, request_id: bytes) -> bytes:
    body = encode(Refusal(detail))
    fields = (
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
        REQUEST_ID_HEADER + b": " + request_id,
    )
    return STATUS_LINE[status] + b"\r\n".join(fields) + b"\r\n\r\n" + body
