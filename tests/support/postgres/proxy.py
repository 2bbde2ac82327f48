"""A proxy between a client and a server that can be slow, go silent or break connections."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Self, TypeVar

Answer = TypeVar("Answer")
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing the connection resets it."""


class Proxy:
    """Forwards connections to a port of 127.0.0.1 to a server, inside its context.

    `delay_seconds` is what each answer of the server comes later, in steps of a millisecond; it
    may be changed at any time. A commit is answered once it is stored, so that a delay is a slower
    disk, or a longer way to it.
    """

    def __init__(self, server_port: int, delay_seconds: float = 0) -> None:
        self.delay_seconds = delay_seconds
        self.server_port = server_port
        self.silent: frozenset[str] = frozenset()
        self.ends: set[_End] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        accepting = self._loop.create_server(lambda: _End(self, "requests"), sock=self._listener)
        self._server = asyncio.run_coroutine_threadsafe(accepting, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._server.close)
        self.reset()
        self._call(lambda: None)  # the callbacks of the reset have run
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, server_url: str) -> str:
        """The URL of a database of the server through this proxy."""
        return server_url.replace(f":{self.server_port}/", f":{self.port}/")

    def reset(self) -> None:
        """Break every connection on both sides; new ones are accepted."""

        def reset() -> None:
            for end in tuple(self.ends):
                end.reset()

        self._call(reset)

    def black_hole(self) -> None:
        """Forward nothing and close nothing: connections hang, and new ones are accepted."""
        self._silence("requests", "answers")

    def mute(self) -> None:
        """Forward requests but no answers: clients do not see what the server has done."""
        self._silence("answers")

    def heal(self) -> None:
        """Forward again, and first everything that arrived meanwhile."""
        self._silence()

    def _silence(self, *directions: str) -> None:
        def silence() -> None:
            self.silent = frozenset(directions)
            for end in tuple(self.ends):
                end.forward()

        self._call(silence)

    def _call(self, function: Callable[[], Answer]) -> Answer:
        """Call it in the loop's thread, and wait."""

        async def call() -> Answer:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()


class _End(asyncio.Protocol):
    """One end of the proxy: "requests" arrive from a client, or "answers" from the server."""

    def __init__(self, proxy: Proxy, direction: str, peer: "_End | None" = None) -> None:
        self._proxy = proxy
        self._direction = direction
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()  # no bytes: the connection has ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._proxy.ends.add(self)
        if self._peer is None:
            self._connecting = self._loop.create_task(self._connect())
        else:
            self._peer.meet(self)

    def data_received(self, data: bytes) -> None:
        delay = self._proxy.delay_seconds if self._direction == "answers" else 0
        self._waiting.append((self._loop.time() + delay, data))
        if delay:
            self._loop.call_later(delay, self.forward)
        else:
            self.forward()

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.ends.discard(self)
        self.data_received(b"")

    def meet(self, peer: "_End") -> None:
        """Begin to forward to the other end."""
        self._peer = peer
        self.forward()

    def forward(self) -> None:
        """Write to the other end what is due; keep it while the proxy is silent."""
        if self._peer is None or self._direction in self._proxy.silent:
            return
        # A timer may fire a moment early by the loop's clock.
        now = self._loop.time() + 0.001
        while self._waiting and self._waiting[0][0] <= now:
            self._peer.write(self._waiting.popleft()[1])

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        if data:
            self._transport.write(data)
        else:
            self._transport.close()

    def reset(self) -> None:
        assert self._transport is not None
        self._waiting.clear()
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()

    async def _connect(self) -> None:
        try:
            await self._loop.create_connection(
                lambda: _End(self._proxy, "answers", self), "127.0.0.1", self._proxy.server_port
            )
        except OSError:
            with contextlib.suppress(OSError):
                self.reset()
