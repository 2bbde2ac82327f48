"""uvicorn, configured and run: where it listens, and how it stops."""

import asyncio
import gc
import signal
import socket
import sys
from typing import Any

import uvicorn

from service.app import Application
from service.errors import SettingsError, StartError
from service.logs import Log, StandardLogging
from service.protocol import DeadlineProtocol
from service.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than the usual proxies keep a connection (60 s), so that they are the ones to close it."""

GRACEFUL_SECONDS = 7
"""How long a stop waits for requests under way: with what closing takes, it stays within 10 s."""

UNSENT_BYTES = 128 * 1024
"""How much of an answer the system holds for a client, besides what is on its way to it.

Without this it holds megabytes, and says that there is room for more when a third of them is gone:
a slow client would look like one that takes nothing.
"""

BACKLOG_CONNECTIONS = 2048
SWITCH_SECONDS = 0.001
GC_ALLOCATIONS = 20_000


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
        # Closing waits for what is still to be sent, and the event loop for connections to close.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


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
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise StartError(
            f"HOST and PORT: can't listen on {address[0]} port {address[1]}: {error.strerror}"
        ) from error
    return bound
