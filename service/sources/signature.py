"""The signature of a webhook: the hexadecimal HMAC-SHA256 (RFC 2104) of its raw body."""

import hmac
from collections.abc import Iterable, Sequence

HEADER = b"x-signature"
PREFIX = b"sha256="
DIGITS = 64


def sign(secret: bytes, body: bytes) -> str:
    """The value of `X-Signature` for `body`: DIGITS lower-case hexadecimal digits."""
    return hmac.digest(secret, body, "sha256").hex()


def find(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The `X-Signature` of a request; empty if there is none, or more than one.

    Call it before the body is read: a chunked body appends its trailers to the same list.
    """
    values = [value for name, value in headers if name == HEADER]
    return values[0] if len(values) == 1 else b""


def is_trusted(secrets: Sequence[bytes], body: bytes, signature: bytes) -> bool:
    """Whether `signature` signs `body` under one of `secrets`, compared in constant time.

    It may be in upper or lower case, with or without `sha256=` in front. Garbage is not trusted.
    """
    digits = signature.lower().removeprefix(PREFIX)
    if len(digits) != DIGITS:
        return False  # not in constant time: the length is no secret
    return any(hmac.compare_digest(sign(secret, body).encode(), digits) for secret in secrets)
