"""The few things the routes need of ASGI, without a request or a response object."""

from collections.abc import Iterable, Sequence

from starlette.types import Receive, Scope, Send

from service.errors import BodyTooLarge, ClientLeft, Unavailable

Headers = Sequence[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")

REFUSAL = "refusal"
"""In the scope of a request that the server refuses: the RequestError to answer it with."""

HELD_BYTES_MAX = 64 * 2**20
"""What all bodies that are still to come as a whole may hold together: each may take its time."""


class BodyReader:
    """Reads bodies of at most `body_bytes_max`, and bounds what all of them hold."""

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._held_bytes_max = max(HELD_BYTES_MAX, body_bytes_max)
        self._held_bytes = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The request's whole body; never holds more of it than one chunk too many.

        Raises BodyTooLarge as soon as that is known (a Content-Length is believed only when it
        refuses), ClientLeft when the connection ends first, what the server refuses it with, and
        Unavailable when those that are under way hold too much. A body that comes in one piece, as
        most do, never counts as one of them.
        """
        if _declared_bytes(scope["headers"]) > self._body_bytes_max:
            raise BodyTooLarge(self._body_bytes_max)
        chunks: list[bytes] = []
        bytes_read = bytes_held = 0
        try:
            while True:
                event = await receive()
                if REFUSAL in scope:
                    raise scope[REFUSAL]
                if event["type"] == "http.disconnect":
                    raise ClientLeft
                chunk = event.get("body", b"")
                bytes_read += len(chunk)
                if bytes_read > self._body_bytes_max:
                    raise BodyTooLarge(self._body_bytes_max)
                chunks.append(chunk)
                if not event.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
                self._held_bytes += bytes_read - bytes_held
                bytes_held = bytes_read
                if self._held_bytes > self._held_bytes_max:
                    raise Unavailable("too many large bodies are under way")
        finally:
            self._held_bytes -= bytes_held


async def send_json(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with a body that is JSON already."""
    await send_body(send, status, body, (JSON, *headers))


async def send_body(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> None:
    """Answer with one body of known length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


def _declared_bytes(headers: Headers) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
