"""HTTP/1.1 as uvicorn speaks it, with the deadlines and the bounds that it lacks.

`deadlines` knows when a part is late, `request_head` which heads are refused, and `transport` how
bytes leave. This module connects them with uvicorn's parser and its cycle of request and response.
"""

import asyncio
import math
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import REFUSAL, BadRequest, HeadTooLarge, RequestError, TooLate
from service.http.deadlines import ArrivalDeadline, Phase, TakeDeadline
from service.http.http10 import without_chunks
from service.http.request_head import (
    FRAMING_RULE,
    HEAD_RULE,
    NoTrailers,
    RequestSize,
    expects_continue,
    find_fault,
    path_of,
    pick_decisive,
    write_head,
)
from service.http.transport import BODY_BYTES, GARBAGE_BYTES, JoiningTransport


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    A request that breaks a rule is answered by the application, in its turn, like any other. The
    connection is closed after that answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        joining = JoiningTransport(transport, self.loop)
        super().connection_made(joining)
        self._joining = joining
        self._arrival = ArrivalDeadline(self.loop)
        self._taking = TakeDeadline(joining, self.loop, self.logger)
        self._size = RequestSize()
        self._receiving: Phase | None = None
        self._heads_in_piece = 0
        self._running: RequestResponseCycle | None = None
        self._reads_no_more = False
        self._is_draining = False
        self._arrival.start(Phase.HEAD, self._on_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrival.stop()
        self._taking.stop()
        super().connection_lost(exc)
        # uvicorn tells only the last request of a pipeline, which may not have begun.
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer every whole request, also where the client has closed its side."""
        cycles = [self._running, *(cycle for cycle, _ in reversed(self.pipeline))]
        awaited = [cycle for cycle in cycles if cycle is not None and _will_be_answered(cycle)]
        if awaited:
            awaited[-1].keep_alive = False  # closes the connection after its answer
            self._arrival.stop()
            self._joining.linger_bytes = 0  # nothing more arrives
        return bool(awaited)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking.start()

    def resume_writing(self) -> None:
        self._taking.stop()
        super().resume_writing()

    def begin_draining(self) -> None:
        """Answer the next request with `Connection: close`."""
        self._is_draining = True

    def close_if_idle(self, seconds: float) -> None:
        """Close the connection if it has waited for its next request for so long."""
        expiry = self.timeout_keep_alive_task
        idle_since = expiry.when() - self.timeout_keep_alive if expiry is not None else math.inf
        if self.loop.time() - idle_since >= seconds:
            self.timeout_keep_alive_handler()

    # Receiving

    def data_received(self, data: bytes) -> None:
        if self._reads_no_more or self._joining.is_closing():
            self._joining.discard(data)
            return
        self._unset_keepalive_if_required()
        was_between_requests = self._receiving is None
        self._heads_in_piece = 0
        self._size.add(data)
        while data:
            data = self._parse(data)
        self._check_size(was_between_requests)
        self._update_deadline(was_between_requests)

    def on_message_begin(self) -> None:
        self._receiving = Phase.HEAD
        self._heads_in_piece += 1
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves white space after a value, which is no part of it (RFC 9112, 5.1).
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        version, decisive = self.parser.get_http_version(), pick_decisive(self.headers)
        if self._size.is_head_too_large(self.url, self.headers):
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
        self._joining.linger_bytes = BODY_BYTES  # until the body is whole
        self._size.begin_framing()
        # The application holds the list of headers: trailers must not be added to it.
        self.headers = NoTrailers()

    def on_body(self, body: bytes) -> None:
        self._size.begin_framing()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receiving = None
        self._joining.linger_bytes = 0
        if not self._offers_upgrade():
            super().on_message_complete()

    def _parse(self, data: bytes) -> bytes:
        """Parse, and return the bytes that must be parsed next."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as stopped:
            return self._without_upgrade(data[stopped.args[0] :])
        except HttpParserError:
            self._refuse(BadRequest("the request must be valid HTTP/1.1"))
        return b""

    def _offers_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The request again, without its offer to upgrade (RFC 9110, 7.8).

        The parser stops after the head of such a request. `rest` begins with its body: Java's
        client offers h2c with the first request of a connection.
        """
        parser = self.parser
        head = write_head(parser.get_method(), self.url, parser.get_http_version(), self.headers)
        self.parser = HttpRequestParser(self)
        return head + rest

    def _check_size(self, was_between_requests: bool) -> None:
        size = self._size
        if self._receiving is Phase.HEAD:
            # The piece is all of this head if the head began with it, or goes on in it.
            has_whole_piece = self._heads_in_piece == was_between_requests
            if size.is_unfinished_head_too_large(self.url, self.headers, has_whole_piece):
                self._refuse(HeadTooLarge(HEAD_RULE))
            return
        size.end_head()
        if self._receiving is Phase.BODY and size.is_framing_too_large():
            self._refuse(HeadTooLarge(FRAMING_RULE))

    def _update_deadline(self, was_between_requests: bool) -> None:
        """Start, stop or leave the deadline, as the piece that arrived asks for."""
        if self._reads_no_more:
            return
        receiving = self._receiving
        is_only_empty_lines = was_between_requests and not self._heads_in_piece
        is_new = self._heads_in_piece > 0 or receiving is not self._arrival.phase
        if is_new and not is_only_empty_lines:
            if receiving is not None:
                self._arrival.start(receiving, self._on_late)
            elif self._arrival.phase is not None:
                self._arrival.stop()
        cycle: RequestResponseCycle | None = self.cycle
        if receiving is None and cycle is not None and cycle.response_complete:
            # uvicorn starts this timer after an answer, and any byte stops it.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _on_late(self) -> None:
        if self._receiving is None:
            self.transport.close()  # a connection that never sent a byte
        else:
            part, seconds = self._receiving.name.lower(), self._receiving.value
            self._refuse(TooLate(f"the request's {part} must arrive within {seconds} s"))

    # Answering

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        if self._is_draining and not self.pipeline:
            cycle.keep_alive = False  # and the answer says so: Connection: close
        if cycle.waiting_for_100_continue:
            app = self._closing_unless_continued(cycle, app)
        if cycle.scope["http_version"] == "1.0":
            app = without_chunks(cycle, self._joining, app)
        super()._start_asgi_task(cycle, app)

    def _closing_unless_continued(self, cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
        """Close the connection after an answer that is sent before the 100.

        The client may then send the body or leave it out: the next bytes have no certain meaning.
        """

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_close(message: Message) -> None:
                if cycle.waiting_for_100_continue and cycle.more_body:
                    cycle.keep_alive = False
                    self._stop_reading()
                await send(message)

            await app(scope, receive, send_and_close)

        return serve

    def _refuse(self, refusal: RequestError) -> None:
        """Have the application answer with `refusal` in this request's turn, and read no more."""
        if self._reads_no_more or self.transport.is_closing():
            return
        self._stop_reading()
        if self._receiving is not Phase.BODY:
            self._answer_head(refusal)
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            cast("Scope", self.cycle.scope)[REFUSAL] = refusal
            self.cycle.keep_alive = False
            self.cycle.message_event.set()

    def _answer_head(self, refusal: RequestError) -> None:
        """Have a request whose head is not whole, or not allowed, answered with `refusal`."""
        if self._receiving is None:
            self.on_message_begin()
        method = self.parser.get_method().decode() if self.url else ""
        known = {"method": method, "path": path_of(self.url), "raw_path": b"", "query_string": b""}
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
        """Discard all further bytes, and leave the client time to read its last answer."""
        self._reads_no_more = True
        self._arrival.stop()
        self._joining.linger_bytes = GARBAGE_BYTES


def _will_be_answered(cycle: RequestResponseCycle) -> bool:
    return not cycle.response_complete and (not cycle.more_body or REFUSAL in cycle.scope)
