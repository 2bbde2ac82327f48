"""The signature of a webhook: the hexadecimal HMAC-SHA256 (RFC 2104) of its raw body."""

import hmac
import re
from collections.abc import Iterable, Sequence

from service.errors import InvalidSignature
from service.sources.digests import Hmac

HEADER = b"x-signature"
PREFIX = b"sha256="
DIGITS = 64
SIGNATURES_MAX = 4
"""In one header. A sender that rotates its secret signs with the old one and the new one."""

FAILURES = ("missing", "malformed", "mismatch")

_is_hexadecimal = re.compile(rb"[0-9a-f]*").fullmatch


def sign(secret: bytes, body: bytes) -> str:
    """The value of `X-Signature` for `body`: DIGITS lower-case hexadecimal digits."""
    return hmac.digest(secret, body, "sha256").hex()


def find(headers: Iterable[tuple[bytes, bytes]]) -> Sequence[bytes]:
    """The values of every `X-Signature` of a request.

    Call it before the body is read: a chunked body appends its trailers to the same list.
    """
    return [value for name, value in headers if name == HEADER]


def prepare(secrets: Iterable[bytes]) -> list[Hmac]:
    """The secrets as `verify` takes them: hashes that have read them already."""
    return [Hmac(secret, "sha256", "hex") for secret in secrets]


def verify(secrets: Sequence[Hmac], body: bytes, values: Sequence[bytes]) -> int:
    """The index of the secret that signs `body`, compared in constant time.

    `secrets` are those of `prepare`, and `values` those of `find`: one header, with up to
    SIGNATURES_MAX signatures between commas. One good signature is enough. Each may be in upper or
    lower case, with or without `sha256=` in front. Raises InvalidSignature with one of FAILURES.
    """
    if len(values) != 1:
        raise InvalidSignature("malformed" if values else "missing")
    alone = values[0].lower().removeprefix(PREFIX)
    # Not in constant time: the length is no secret.
    candidates = [alone] if len(alone) == DIGITS else _split(values[0])
    for index, secret in enumerate(secrets):
        digits = secret.sign(body)
        for candidate in candidates:
            if hmac.compare_digest(digits, candidate):
                return index
    raise InvalidSignature("mismatch" if any(map(_is_hexadecimal, candidates)) else "malformed")


def _split(value: bytes) -> list[bytes]:
    """The digits of each signature in a header that has the right number of them."""
    parts = value.lower().split(b",", SIGNATURES_MAX)
    claimed = [part.strip().removeprefix(PREFIX) for part in parts]
    candidates = [digits for digits in claimed if len(digits) == DIGITS]
    if len(parts) > SIGNATURES_MAX or not candidates:
        raise InvalidSignature("malformed" if value.strip() else "missing")
    return candidates
