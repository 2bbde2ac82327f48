"""Is this body signed by someone we trust? Pure bytes, no I/O.

The signature is the hexadecimal HMAC-SHA256 (RFC 2104, FIPS 180-4) of the raw body.
"""

import hmac
from collections.abc import Iterable, Sequence

HEADER = b"x-signature"
PREFIX = b"sha256="
DIGITS = 64


def sign(secret: bytes, body: bytes) -> str:
    """The value of `X-Signature` for `body`: DIGITS lower-case hexadecimal digits."""
    return hmac.digest(secret, body, "sha256").hex()


def find(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The one `X-Signature` of a request's headers; empty where there is none, or several.

    Read it before the body: the trailers of a chunked body are appended to the same list.
    """
    values = [value for name, value in headers if name == HEADER]
    return values[0] if len(values) == 1 else b""


def is_trusted(secrets: Sequence[bytes], body: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `body` under one of `secrets`, compared in constant time.

    Upper or lower case, with or without `sha256=` in front. Garbage is just not trusted.
    """
    digits = signature.lower().removeprefix(PREFIX)
    if len(digits) != DIGITS:
        return False  # which tells nothing: everybody knows the length
    return any(hmac.compare_digest(sign(secret, body).encode(), digits) for secret in secrets)
