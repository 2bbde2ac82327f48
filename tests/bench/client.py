"""One connection, kept open, and no more work of its own than reading an answer takes."""

import json
import socket
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

TIMEOUT_SECONDS = 120
RECEIVE_BYTES = 2**18


class Answer(NamedTuple):
    """A response, and how long it took from the first byte sent to the last byte received."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A client of the service on a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def get(self, path: str) -> Answer:
        """GET `path`; raises OSError where there is no whole answer."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        began = time.perf_counter()
        self._socket.sendall(request)
        head, _, body = self._receive_until_head().partition(b"\r\n\r\n")
        length = _content_length(head)
        parts, missing = [body], length - len(body)
        while missing > 0:
            parts.append(self._receive())
            missing -= len(parts[-1])
        seconds = time.perf_counter() - began
        return Answer(int(head[9:12]), b"".join(parts), seconds)

    def _receive_until_head(self) -> bytes:
        received = self._receive()
        while b"\r\n\r\n" not in received:
            received += self._receive()
        return received

    def _receive(self) -> bytes:
        received = self._socket.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        return received


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise ValueError("the answer has no Content-Length")
