"""The one place that sees every request: request id, clock, errors, log line, metrics."""

import asyncio
import itertools
import re
import secrets
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.answers import Headers, encode_refusal, send_json
from service.errors import REFUSAL, ClientLeft, RequestError, TooSlow, Unavailable
from service.store.interface import QueryTimeout, StoreError
from service.telemetry.logs import PATH_CHARACTERS_MAX, Clock, Log, RequestLine, format_exception
from service.telemetry.metrics import Metrics

REQUEST_ID_HEADER = b"x-request-id"

_process_id = secrets.token_hex(8).encode()
_request_numbers = itertools.count(1)
_sane_request_id = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch


class RequestObserver:
    """Gives each request an id and an answer, and writes its log line and metrics.

    `scope["log_line"]` is the line, to which routes add fields.
    """

    def __init__(self, app: ASGIApp, log: Log, metrics: Metrics) -> None:
        self.app = app
        self._log = log
        self._metrics = metrics
        self._clock = Clock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id_of(scope["headers"])
        line = scope["log_line"] = RequestLine(
            ts="",
            level="INFO",
            event="request",
            request_id=request_id.decode(),
            method=scope["method"],
            path=scope["path"][:PATH_CHARACTERS_MAX],
        )
        id_header = (REQUEST_ID_HEADER, request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                line.status = message["status"]
                message["headers"] = [*message["headers"], id_header]
            await send(message)

        # With an app in the scope, Starlette's router raises 404 and 405 instead of answering.
        scope["app"] = self
        try:
            if REFUSAL in scope:
                raise scope[REFUSAL]
            await self.app(scope, receive, send_with_id)
        except (Exception, asyncio.CancelledError) as error:
            await _answer_error(error, line, send_with_id)
        finally:
            # A raised error refers to its frames, and they to the scope. Break that cycle, because
            # the garbage collector seldom runs.
            scope.pop(REFUSAL, None)
            seconds = time.perf_counter() - started
            self._metrics.observe_request(scope["method"], scope["path"], line.status, seconds)
            line.latency_ms = round(seconds * 1000, 3)
            line.ts = self._clock.format(time.time())
            line.level = _level(line.status)
            self._log.request(line)


def _request_id_of(headers: Headers) -> bytes:
    """The caller's request id if it is sane, else a fresh one."""
    for name, value in headers:
        if name == REQUEST_ID_HEADER:
            if _sane_request_id(value):
                return bytes(value)
            break
    return fresh_request_id()


def fresh_request_id() -> bytes:
    """A request id that is unique in all processes."""
    return b"%s-%x" % (_process_id, next(_request_numbers))


async def _answer_error(error: BaseException, line: RequestLine, send: Send) -> None:
    if isinstance(error, ClientLeft):
        line.status = error.status
        return
    status, detail, headers = _refusal(error, line)
    if line.status:
        # The head has been sent, so raise, which cuts the connection. The line and the metrics
        # show how the request ended.
        line.status = status
        raise error
    await send_json(send, status, encode_refusal(detail), headers)


def _refusal(error: BaseException, line: RequestLine) -> tuple[int, str, Headers]:
    """The status, detail and headers of the answer. The line gets what the client must not see."""
    if isinstance(error, asyncio.CancelledError):
        # The server cancels requests at the deadline of a graceful stop.
        error = Unavailable("the service is stopping")
    if isinstance(error, QueryTimeout):
        error = TooSlow()
    if isinstance(error, StoreError):
        line.exception = f"{format_exception(error)}: {error}"
        error = Unavailable("the database does not answer")
    if isinstance(error, RequestError):
        return error.status, error.detail, error.headers
    if isinstance(error, HTTPException):
        fields = (error.headers or {}).items()
        headers = [(name.lower().encode(), value.encode()) for name, value in fields]
        return error.status_code, error.detail, headers
    line.exception = format_exception(error)
    return 500, "internal error", ()


def _level(status: int) -> str:
    if status < 400:
        return "INFO"
    return "WARNING" if status < 500 else "ERROR"
