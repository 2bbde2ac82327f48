"""A transport that writes an answer in one piece, and lets a refused client read it."""

import asyncio

LINGER_SECONDS = 2
"""How long a refused client has to read its answer."""


class JoiningTransport(asyncio.Transport):
    """Joins the writes of one turn of the event loop: one system call, and one packet, less.

    uvicorn writes the head of an answer, and then its body. On a loopback connection a write costs
    about as much as verifying a webhook.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._is_closing = False
        self.lingers = False
        """Whether `close` leaves the client LINGER_SECONDS to read.

        The system answers bytes to a closed socket with a reset. A reset takes an unread answer
        from the client.
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
