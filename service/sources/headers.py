"""Which headers of a request are kept with an event."""

from collections.abc import Collection, Sequence
from functools import lru_cache

import msgspec

_PRIVATE = {b"authorization", b"cookie", b"proxy-authorization"}
_OF_ONE_CONNECTION = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
"""RFC 9110, 7.6.1."""

_LEFT_OUT = _PRIVATE | _OF_ONE_CONNECTION

_encode = msgspec.json.Encoder().encode


def keep_headers(headers: Sequence[tuple[bytes, bytes]], dropped: Collection[bytes] = ()) -> str:
    """A JSON object of the headers: repeated ones are joined by ", ".

    Without signatures, credentials, what belongs to one connection, and those `dropped`.
    """
    kept: dict[str, str] = {}
    for name, value in headers:
        key = _show(name)
        if key and name not in dropped:
            text = value.decode("latin-1").replace("\0", "")
            kept[key] = f"{kept[key]}, {text}" if key in kept else text
    return _encode(kept).decode()


@lru_cache(1024)
def _show(name: bytes) -> str:
    """The name as a string; empty if the header is left out."""
    return "" if name in _LEFT_OUT or b"signature" in name else name.decode("latin-1")
