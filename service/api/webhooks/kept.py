"""Bodies that were signed and are refused: kept as events, with the reason."""

import hashlib

from service.api.answers import Headers
from service.errors import RequestError, UnsupportedEncoding
from service.messages.event import Event
from service.messages.message import clean
from service.sources.headers import keep_headers


def refuse_encoding(headers: Headers) -> None:
    """Raise UnsupportedEncoding if the body is compressed."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedEncoding


def keep(source: str, headers: Headers, body: bytes, now: float, refusal: RequestError) -> Event:
    """The event that keeps a body, under its SHA-256. Sent again, it is a duplicate."""
    return Event(
        source=source,
        event_id=hashlib.sha256(body).hexdigest(),
        type=None,
        received_at=int(now * 1_000_000),
        headers=keep_headers(headers),
        content_type=read_content_type(headers),
        body=body,
        problem=refusal.detail,
    )


def read_content_type(headers: Headers) -> str | None:
    """The first Content-Type."""
    for name, value in headers:
        if name == b"content-type":
            return clean(value.decode("latin-1"))
    return None
