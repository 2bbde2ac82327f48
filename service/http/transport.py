"""A transport that writes an answer in one piece, and closes so that the client can read it."""

import asyncio
import socket
import struct

LINGER_SECONDS = 2
"""A lingering connection is closed when its client has sent nothing for so long."""

LINGER_SECONDS_MAX = 30
"""A client that goes on sending after its answer is cut off then."""

BODY_BYTES = 64 * 2**20
"""A client that is still sending its body may send so much after its answer."""

GARBAGE_BYTES = 2**20
"""A client that broke a rule of HTTP may send so much after its answer."""

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER, on and 0 seconds (socket(7))."""


class JoiningTransport(asyncio.Transport):
    """Joins the writes of one turn of the event loop: one system call, and one packet, less.

    uvicorn writes the head of an answer, and then its body. On a loopback connection a write costs
    about as much as verifying a webhook.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self.linger_bytes = 0
        """How many bytes `close` reads and discards; with 0 it closes at once.

        The system answers bytes to a closed socket with a reset. A reset takes an unread answer
        from the client (RFC 9112, 9.6).
        """
        self._closed_at = self._received_at = 0.0
        self._parts: list[bytes | bytearray | memoryview] = []
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]
        self.is_closing = transport.is_closing  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        if not self.linger_bytes:
            self._transport.close()
        elif not self.is_closing():
            self.is_closing = lambda: True  # type: ignore[method-assign]
            self._transport.write_eof()
            self._transport.resume_reading()
            self._closed_at = self._received_at = self._loop.time()
            self._loop.call_later(LINGER_SECONDS, self._end_lingering)

    def reset(self) -> None:
        """Close at once with a reset, which no client takes for the end of an answer."""
        bound = self.get_extra_info("socket")
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.abort()

    def discard(self, data: bytes) -> None:
        """Count bytes that arrived after the last request that is answered."""
        self._received_at = self._loop.time()
        self.linger_bytes -= len(data)
        if self.linger_bytes <= 0:
            self._transport.close()

    def _end_lingering(self) -> None:
        now = self._loop.time()
        end = min(self._received_at + LINGER_SECONDS, self._closed_at + LINGER_SECONDS_MAX)
        if now < end:
            self._loop.call_at(end, self._end_lingering)
        else:
            self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.write(b"".join(parts))
