"""Which headers of a request are kept with an event."""

from collections.abc import Collection, Sequence

import msgspec

HEADER_BYTES_MAX = 32_768
"""Of all kept headers. The server takes no longer request head."""

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
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if size > HEADER_BYTES_MAX:
            break
        if name in _LEFT_OUT or name in dropped or b"signature" in name:
            continue
        key, text = name.decode("latin-1"), value.decode("latin-1").replace("\0", "")
        kept[key] = f"{kept[key]}, {text}" if key in kept else text
    return _encode(kept).decode()
