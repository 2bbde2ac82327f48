"""One connection, kept open, that does no more work of its own than reading an answer takes."""

import json
import socket
import time
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

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def get(self, path: str) -> Answer:
        """GET `path`; raises OSError if the answer is not whole."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        began = time.perf_counter()
        self._socket.sendall(request)
        received = self._receive()
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        missing = int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
        parts, missing = [body], missing - len(body)
        while missing > 0:
            parts.append(self._receive())
            missing -= len(parts[-1])
        return Answer(int(head[9:12]), b"".join(parts), time.perf_counter() - began)

    def _receive(self) -> bytes:
        received = self._socket.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        return received
