"""The one place that sees every request: request id, clock, errors, log line, metrics."""

import asyncio
import time
from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.answers import Headers, encode_refusal, send_json
from service.api.caller import REQUEST_ID, CallerReader
from service.errors import REFUSAL, ClientLeft, RequestError, TooSlow, Unavailable
from service.store.interface import QueryTimeout, StoreError
from service.telemetry.logs import PATH_CHARACTERS_MAX, Clock, Log, RequestLine, format_exception
from service.telemetry.metrics import Metrics

ROUTE_PATH = "route_path"
"""Where the scope has the path of the route that answers, as the metrics show it."""


class RequestObserver:
    """Gives each request an id and an answer, and writes its log line and metrics.

    `scope["log_line"]` is the line, to which routes add fields.
    """

    def __init__(
        self,
        app: ASGIApp,
        log: Log,
        metrics: Metrics,
        callers: CallerReader,
        quiet_paths: Collection[str] = (),
    ) -> None:
        """A request to one of `quiet_paths` has no line, unless it fails."""
        self.app = app
        self._log = log
        self._metrics = metrics
        self._callers = callers
        self._quiet_paths = quiet_paths
        self._clock = Clock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id, client, trace_id = self._callers.read(scope)
        line = scope["log_line"] = RequestLine(
            ts="",
            level="INFO",
            event="request",
            request_id=request_id.decode(),
            method=scope["method"],
            path=scope["path"][:PATH_CHARACTERS_MAX],
            client=client,
            trace_id=trace_id,
        )
        id_header = (REQUEST_ID, request_id)

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
            path = scope.get(ROUTE_PATH, scope["path"])
            self._metrics.observe_request(scope["method"], path, line.status, seconds)
            line.latency_ms = int(seconds * 1_000_000) / 1000
            line.ts = self._clock.format(time.time())
            line.level = _level(line.status)
            if line.status >= 400 or scope["path"] not in self._quiet_paths:
                self._log.request(line)


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
