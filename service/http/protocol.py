"""HTTP/1.1 as uvicorn speaks it, with the deadlines and the bounds that it lacks."""

import asyncio
import enum
import math
import sys
from asyncio import TimerHandle
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from httptools import (
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
    parse_url,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.asgi import REFUSAL
from service.errors import BadRequest, HeadTooLarge, RequestError, TooLate
from service.http.request_head import expects_continue, find_fault, pick_decisive

HEAD_BYTES_MAX = 32 * 1024
HEAD_SECONDS = 10
BODY_SECONDS = 30

TAKE_SECONDS = 30
"""How long a client may take nothing of an answer that waits for it."""

HEAD_RULE = "the request's head must have at most 32 KiB"

LINGER_SECONDS = 2
"""How long a client that was refused has to read why."""


class Phase(enum.Enum):
    """What of a request is still to come; the value is how many seconds it may take."""

    HEAD = HEAD_SECONDS
    BODY = BODY_SECONDS


class DeadlineProtocol(HttpToolsProtocol):
    """HTTP/1.1, where the head and the body of a request have deadlines, and the head a bound.

    So has an answer that is too large for the buffers between here and the client. A request that
    breaks a rule is answered by the application, in its turn, like any other; behind it the
    connection is closed.

    A request that arrives in one piece, as most do, never starts a timer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))
        self._receiving: Phase | None = None
        self._heads_in_piece = 0
        self._head_bytes = 0
        self._framing_bytes = 0
        self._timed: Phase | None = None
        self._timer: TimerHandle | None = None
        self._take_timer: TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._reads_no_more = False
        self._is_draining = False
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

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what came whole, also where the client closes its side behind it."""
        cycles = [self._running, *(cycle for cycle, _ in reversed(self.pipeline))]
        awaited = [cycle for cycle in cycles if cycle is not None and _will_be_answered(cycle)]
        if awaited:
            awaited[-1].keep_alive = False  # closes the connection behind its answer
            self._set_timer(None)
            self.transport.lingers = False  # type: ignore[attr-defined] # nothing more comes
        return bool(awaited)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_taking(sys.maxsize, 0)

    def resume_writing(self) -> None:
        self._stop_expecting()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._reads_no_more:
            return
        self._unset_keepalive_if_required()
        was_between_requests = self._receiving is None
        self._heads_in_piece = 0
        self._head_bytes += len(data)
        self._framing_bytes += len(data)
        while data:
            data = self._parse(data)
        if self._receiving is Phase.HEAD:
            # Either it began with this piece, or it goes on in it.
            self._bound_head(has_whole_piece=self._heads_in_piece == was_between_requests)
        else:
            self._head_bytes = 0
            self._bound_framing()
        self._watch(is_only_empty_lines=was_between_requests and not self._heads_in_piece)

    def on_message_begin(self) -> None:
        self._receiving = Phase.HEAD
        self._heads_in_piece += 1
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves white space behind a value, which is no part of it (RFC 9112, 5.1).
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        version, decisive = self.parser.get_http_version(), pick_decisive(self.headers)
        # What came in one piece with its body is measured without it.
        if self._head_bytes > HEAD_BYTES_MAX < _bytes_of_head(self.url, self.headers):
            self._refuse(HeadTooLarge(HEAD_RULE))
        elif fault := find_fault(version, self.url, decisive):
            self._refuse(BadRequest(fault))
        if self._reads_no_more:
            raise ValueError("stop parsing")
        if self._offers_upgrade():
            return
        self.expect_100_continue = expects_continue(version, decisive)
        super().on_headers_complete()
        self._receiving = Phase.BODY
        self._framing_bytes = 0
        # The application has the list it needs; what follows a chunked body is no header of ours.
        self.headers = NoTrailers()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receiving = None
        if not self._offers_upgrade():
            super().on_message_complete()

    def begin_draining(self) -> None:
        """Answer what comes next, and say with it that the connection is closed behind it."""
        self._is_draining = True

    def close_if_idle(self, seconds: float) -> None:
        """Close the connection where it has waited so long for its next request."""
        expiry = self.timeout_keep_alive_task
        idle_since = expiry.when() - self.timeout_keep_alive if expiry is not None else math.inf
        if self.loop.time() - idle_since >= seconds:
            self.timeout_keep_alive_handler()

    def _parse(self, data: bytes) -> bytes:
        """Parse, and return what is to be parsed in place of what is left."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as stopped:
            return self._without_upgrade(data[stopped.args[0] :])
        except HttpParserError:
            self._refuse(BadRequest("the request must be valid HTTP/1.1"))
        return b""

    def _bound_head(self, has_whole_piece: bool) -> None:
        if not has_whole_piece:
            # The piece began with something else: count what is known to be of this head.
            self._head_bytes = _bytes_of_head(self.url, self.headers)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HeadTooLarge(HEAD_RULE))

    def _bound_framing(self) -> None:
        # The parser holds a trailer until it is whole, and copies it with each piece.
        if self._receiving is Phase.BODY and self._framing_bytes > HEAD_BYTES_MAX:
            self._refuse(HeadTooLarge("what is around a body's chunks must have at most 32 KiB"))

    def _offers_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _without_upgrade(self, rest: bytes) -> bytes:
        """A request that offers to upgrade, as one that does not (RFC 9110, 7.8).

        The parser stops behind such a head. Its body, which Java's client, for one, sends with the
        first request of a connection, is in `rest`.
        """
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        version = self.parser.get_http_version().encode()
        first = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
        self.parser = HttpRequestParser(self)
        return b"".join([first, *fields, b"\r\n", rest])

    def _watch(self, is_only_empty_lines: bool) -> None:
        """Start, stop or leave the timers, as the piece that just came calls for."""
        if self._reads_no_more:
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
            part, seconds = self._receiving.name.lower(), self._receiving.value
            self._refuse(TooLate(f"the request's {part} must arrive within {seconds} s"))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        if self._is_draining and not self.pipeline:
            cycle.keep_alive = False  # and says so: Connection: close
        if cycle.waiting_for_100_continue:
            app = self._closing_unless_continued(cycle, app)
        super()._start_asgi_task(cycle, app)

    def _closing_unless_continued(self, cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
        """Close behind an answer that comes before the 100 that the client waits for.

        It may then leave out the body, or send it: nobody could tell what comes next.
        """

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_close(message: Message) -> None:
                if cycle.waiting_for_100_continue and cycle.more_body:
                    cycle.keep_alive = False
                    self._stop_reading()
                await send(message)

            await app(scope, receive, send_and_close)

        return serve

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

    def _refuse(self, refusal: RequestError) -> None:
        """Have the application answer with `refusal` in this request's turn, and read no more."""
        if self._reads_no_more or self.transport.is_closing():
            return
        self._stop_reading()
        if self._receiving is not Phase.BODY:
            self._enqueue_head(refusal)
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            cast("Scope", self.cycle.scope)[REFUSAL] = refusal
            self.cycle.keep_alive = False
            self.cycle.message_event.set()

    def _enqueue_head(self, refusal: RequestError) -> None:
        """Make a request of what is known of its head."""
        if self._receiving is None:
            self.on_message_begin()
        method = self.parser.get_method().decode() if self.url else ""
        path = _path_of(self.url)
        known = {"method": method, "path": path, "raw_path": b"", "query_string": b""}
        scope: Scope = {**self.scope, **known, REFUSAL: refusal}
        before: RequestResponseCycle | None = self.cycle
        self.cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def _stop_reading(self) -> None:
        """Throw away what still comes, and leave the client time to read its last answer."""
        self._reads_no_more = True
        self._set_timer(None)
        self.transport.lingers = True  # type: ignore[attr-defined]


class JoiningTransport(asyncio.Transport):
    """Joins what is written in one turn of the event loop: one system call, and one packet, less.

    uvicorn writes the head of an answer, and then its body. On a loopback connection a write
    costs about as much as the whole of what this service does to verify a webhook.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._is_closing = False
        self.lingers = False
        """Whether the client is left time to read before the connection is closed.

        Bytes that it still sends would reach a closed socket, which answers with a reset, and the
        reset would take the answer from it.
        """
        self._parts: list[bytes | bytearray | memoryview] = []
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        self._flush()
        if not self.lingers:
            self._transport.close()
        elif not self.is_closing():
            self._is_closing = True
            self._transport.write_eof()
            self._loop.call_later(LINGER_SECONDS, self._transport.close)

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


def _path_of(target: bytes) -> str:
    """As far as it came, and nothing of the query."""
    try:
        path = parse_url(target).path
    except HttpParserInvalidURLError:
        return ""
    return unquote_to_bytes(path or b"").decode("utf-8", "replace")


def _will_be_answered(cycle: RequestResponseCycle) -> bool:
    return not cycle.response_complete and (not cycle.more_body or REFUSAL in cycle.scope)
