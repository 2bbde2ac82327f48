"""uvicorn, configured and run: where it listens, and how it stops."""

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, cast

import uvicorn

from service.app import Application
from service.errors import StartError
from service.http.listener import Listener, allow_connections
from service.http.protocol import HttpProtocol
from service.http.sockets import bind
from service.settings import Settings
from service.telemetry.logs import Log, StandardLogging

GRACEFUL_SECONDS = 6
"""How long a stop waits for requests under way: longer than a batch may take to fail. With
DRAIN_SECONDS, and 2 s to close a database that does not answer, a stop stays below 10 s."""

DRAIN_SECONDS = 0.5
"""How long a stop still answers on idle connections. A busy load balancer uses each of its
connections many times in that time."""

SWITCH_SECONDS = 0.001

GC_ALLOCATIONS = 200_000
"""More objects than 5,000 requests under way have, at some 30 each. None of them is garbage, and
the collector took a tenth of the time to look through them again and again."""


class GracefulServer(uvicorn.Server):
    """Exits with code 0 after SIGTERM and SIGINT. Drains the store even after a second signal."""

    def __init__(
        self, config: uvicorn.Config, listener: Listener, app: Application, stop_delay_seconds: int
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._app = app
        self._stop_delay_seconds = stop_delay_seconds
        self._stop: asyncio.TimerHandle | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: not ready at once, and no longer serving after the delay, or a second signal."""
        self._app.begin_stop()
        if self._stop_delay_seconds and self.started and self._stop is None:
            self._stop = asyncio.get_running_loop().call_later(
                self._stop_delay_seconds, super().handle_exit, sig, frame
            )
            return
        if self._stop is not None:
            self._stop.cancel()
        super().handle_exit(sig, frame)
        if not self.started:
            # Opening the database can take long: another instance may be migrating it.
            self._app.give_up_start()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        try:
            self._listener.open(self._create_protocol, self.server_state.connections)
        except StartError:
            # The database is open, and its threads would keep the process alive.
            await self.lifespan.shutdown()
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._listener.close()
        await self._drain()
        await super().shutdown(sockets)
        if self.force_exit:
            # A second Ctrl-C ends the wait for clients. Accepted messages are still stored.
            await self.lifespan.shutdown()
        # A closing connection waits until its answer is sent, and the loop waits for connections.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def _drain(self) -> None:
        """Answer for a moment on connections that are kept open, with `Connection: close`.

        A proxy may have sent a request on a connection that looks idle here. If the service closed
        it, the proxy could not know whether the request was served.
        """
        for connection in cast("list[HttpProtocol]", list(self.server_state.connections)):
            connection.begin_draining()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.server_state.connections and time.monotonic() < deadline:
            if self.force_exit:
                return
            await asyncio.sleep(DRAIN_SECONDS / 10)

    def _create_protocol(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, self.lifespan.state)


def serve(settings: Settings) -> None:
    """Run the service until a signal ends it. Raises StartError when it can't start."""
    log = Log(settings.log_level)
    try:
        connections_max = allow_connections()
        app = Application(settings, log)
        config = configure(app, settings.keep_alive_seconds)
        _prepare_interpreter()
        with (
            StandardLogging.installed(log),
            asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
        ):
            sockets = bind(settings.host, settings.port)
            listener = Listener(sockets, connections_max, app.metrics, log)
            server = GracefulServer(config, listener, app, settings.stop_delay_seconds)
            _run(runner, server, app, sockets)
    finally:
        log.close()


def _prepare_interpreter() -> None:
    """Tune Python's threads and garbage collector for many short requests."""
    # A thread that stores waits up to this long for the loop, several times in a commit. Python's
    # default is 5 ms, as long as a commit takes.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Requests create no cycles (tests/load/test_load.py), so the collector finds no garbage. It
    # need not scan again what lives as long as the process.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)


def configure(app: Any, keep_alive_seconds: float) -> uvicorn.Config:
    """The configuration of uvicorn."""
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=keep_alive_seconds,  # type: ignore[arg-type] # tests have short ones
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def _run(
    runner: asyncio.Runner,
    server: GracefulServer,
    app: Application,
    sockets: Sequence[socket.socket],
) -> None:
    try:
        runner.run(server.serve())
    except SystemExit as error:
        # uvicorn exits like this when the lifespan did not start.
        if server.should_exit and app.start_error is None:
            return  # a signal stopped the start
        raise app.start_error or StartError("the service did not start") from error
    finally:
        for bound in sockets:
            bound.close()
