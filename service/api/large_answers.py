"""Sends answers that may be large, and bounds what they hold for clients that read slowly."""

from collections.abc import Iterable

from starlette.types import Send

from service.api.answers import PIECE_BYTES, send_body, send_pieces
from service.errors import Unavailable

HELD_BYTES_MAX = 64 * 2**20
"""What all answers under way may hold together; a single one may have more."""


class LargeAnswers:
    """The answers of some routes that are under way."""

    def __init__(self) -> None:
        self._held_bytes = 0

    async def send(self, send: Send, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send a 200, a large body in pieces: the next one once the client has taken the last.

        Raises Unavailable if the answers under way hold too much.
        """
        if len(body) <= PIECE_BYTES:
            await send_body(send, 200, body, headers)
            return
        if self._held_bytes and self._held_bytes + len(body) > HELD_BYTES_MAX:
            raise Unavailable("too many large answers are under way")
        self._held_bytes += len(body)
        try:
            await send_pieces(send, body, headers)
        finally:
            self._held_bytes -= len(body)
