"""Reads the bodies of requests, and bounds what they hold in memory."""

from starlette.types import Receive, Scope

from service.api.answers import Headers
from service.errors import REFUSAL, BodyTooLarge, ClientLeft, Unavailable

HELD_BYTES_MAX = 64 * 2**20
"""What all unfinished bodies may hold together: each of them may take its time."""


class BodyReader:
    """Reads bodies of at most `body_bytes_max` bytes."""

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._held_bytes_max = max(HELD_BYTES_MAX, body_bytes_max)
        self._held_bytes = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body of a request.

        Raises BodyTooLarge as soon as the limit is passed; a Content-Length that passes it is
        enough. Raises ClientLeft if the connection ends first, Unavailable if all unfinished bodies
        hold too much, and the server's own refusal. A body that comes in one piece never counts as
        unfinished.
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


def _declared_bytes(headers: Headers) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
