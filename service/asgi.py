"""The few things the routes need of ASGI, without a request or a response object."""

from collections.abc import Iterable, Sequence

from starlette.types import Receive, Scope, Send

from service.errors import BodyTooLarge, ClientLeft

Headers = Sequence[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")

REFUSAL = "refusal"
"""In the scope of a request that the server refuses: the RequestError to answer it with."""


async def read_body(scope: Scope, receive: Receive, body_bytes_max: int) -> bytes:
    """The request's whole body; never holds more than `body_bytes_max` and one chunk.

    Raises BodyTooLarge as soon as that is known (a Content-Length is believed only when it
    refuses), ClientLeft when the connection ends first, and what the server refuses it with.
    """
    if _declared_bytes(scope["headers"]) > body_bytes_max:
        raise BodyTooLarge(body_bytes_max)
    chunks: list[bytes] = []
    bytes_read = 0
    while True:
        event = await receive()
        if REFUSAL in scope:
            raise scope[REFUSAL]
        if event["type"] == "http.disconnect":
            raise ClientLeft
        chunk = event.get("body", b"")
        bytes_read += len(chunk)
        if bytes_read > body_bytes_max:
            raise BodyTooLarge(body_bytes_max)
        chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


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
