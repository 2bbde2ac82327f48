"""A connection without a socket: the requests that the protocol reads from bytes."""

import asyncio
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, Self, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from service.errors import REFUSAL
from service.http.protocol import HttpProtocol


class Request(NamedTuple):
    """A request, as the application would get it."""

    method: str
    path: str
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_whole: bool
    keep_alive: bool


class Exchange(NamedTuple):
    """The requests of a connection, and whether the protocol would read more."""

    requests: list[Request | int]
    """A number is the status with which the server refuses one."""
    is_open: bool


class Recorder(HttpProtocol):
    """Runs no application: the first request stays unanswered, and the others wait."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle

    def requests(self) -> list[Request | int]:
        """All of them, in their order."""
        first = [] if self._running is None else [self._running]
        return [_record(cycle) for cycle in [*first, *(one for one, _ in reversed(self.pipeline))]]


class SilentLoop:
    """An event loop that never calls anything: no time passes."""

    def call_soon(self, *_: object) -> None:
        pass

    def call_later(self, *_: object) -> Self:
        return self

    def time(self) -> float:
        return 0.0

    def cancel(self) -> None:
        """The loop is also the handle of its timers."""


class SilentTransport(asyncio.Transport):
    """Sends nothing."""

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def exchange(pieces: Iterable[bytes]) -> Exchange:
    """Let the pieces arrive, one after another."""
    loop = cast("asyncio.AbstractEventLoop", SilentLoop())
    recorder = Recorder(_configuration(), ServerState(), {}, loop)
    recorder.connection_made(SilentTransport())
    for piece in pieces:
        recorder.data_received(piece)
    return Exchange(recorder.requests(), not recorder._reads_no_more)


@cache
def _configuration() -> uvicorn.Config:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Never called."""

    config = uvicorn.Config(app, access_log=False, log_config=None, ws="none")
    config.load()
    return config


def _record(cycle: RequestResponseCycle) -> Request | int:
    scope: dict[str, Any] = dict(cycle.scope)
    if REFUSAL in scope:
        # What is known of such a request depends on how its bytes were split.
        status: int = scope[REFUSAL].status
        return status
    return Request(
        scope["method"],
        scope["path"],
        scope["http_version"],
        list(scope["headers"]),
        bytes(cycle.body),
        not cycle.more_body,
        cycle.keep_alive,
    )
