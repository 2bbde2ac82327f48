"""Whether one secret signed a request, by what the scheme says. One engine for all schemes."""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

from service.errors import InvalidSignature
from service.messages.instants import RFC3339, parse_instant
from service.sources.digests import Digest
from service.sources.fields import JsonPaths, read_form, split_form
from service.sources.request import Request
from service.sources.scheme import Signature, Timestamp
from service.sources.templates import Part

CANDIDATES_MAX = 16
"""Signatures that are tried of one header. A provider sends one for each of its secrets."""

FAILURES = ("missing", "malformed", "mismatch", "expired", "future")
"""Of a signature, from the least that a sender got right to the most."""

_is_number = re.compile(rb"[0-9]{1,40}").fullmatch
_is_rfc3339 = re.compile(RFC3339).match
_port = re.compile(rb"(https?)(://[^/?#]*?)(:[0-9]+)?([/?#].*|)", re.DOTALL).fullmatch


class Signed(NamedTuple):
    """What the parts of a signed content are made of."""

    request: Request
    body: bytes
    timestamp: bytes


class Content:
    """The bytes that are signed."""

    def __init__(self, signature: Signature) -> None:
        self._parts = [self._compile(part) for part in signature.signed_parts]
        parts = enumerate(signature.signed_parts)
        self.urls = {place for place, part in parts if part.kind == "url"}
        self._body_sha256 = signature.body_sha256_parameter

    def collect(self, request: Request, body: bytes, timestamp: bytes) -> list[bytes]:
        """The pieces of it. Raises InvalidSignature if a signed header is not there once."""
        signed = Signed(request, body, timestamp)
        return [part(signed) for part in self._parts]

    def respell(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The same with the URL's port left out, or added: providers do not say which they sign."""
        return [
            _toggle_port(piece) if place in self.urls else piece
            for place, piece in enumerate(pieces)
        ]

    def _compile(self, part: Part) -> Callable[[Signed], bytes]:
        argument = part.argument.encode()
        match part.kind:
            case "literal":
                return lambda _: argument
            case "body":
                return lambda signed: signed.body
            case "timestamp":
                return lambda signed: signed.timestamp
            case "url":
                return lambda signed: signed.request.url.encode(errors="replace")
            case "header":
                name = argument.lower()
                return lambda signed: take_one(signed.request, name)
            case _:
                return lambda signed: self._form(signed.request, signed.body)

    def _form(self, request: Request, body: bytes) -> bytes:
        """The fields by name and value, each once. Twilio's construction.

        Nothing where the signed URL has the SHA-256 of the body, which must then be true.
        """
        try:
            if self._body_sha256 and self._body_sha256 in request.url:
                query = request.url.partition("?")[2].partition("#")[0].encode(errors="replace")
                claimed = dict(read_form(query)).get(self._body_sha256.encode())
                if claimed is not None:
                    true = hashlib.sha256(body).hexdigest().encode()
                    if not hmac.compare_digest(true, claimed.lower()):
                        raise InvalidSignature("mismatch")
                    return b""
            pairs = split_form(body)
        except ValueError:
            raise InvalidSignature("malformed") from None
        return "".join(chain.from_iterable(sorted(set(pairs)))).encode("latin-1")


class Check:
    """One secret and the signature of a scheme."""

    def __init__(self, signature: Signature, digest: Digest) -> None:
        self._digest = digest
        self._content = Content(signature)
        self._header = signature.header.lower().encode()
        self._separator = signature.separator.encode()
        self._prefix = signature.prefix.encode()
        self._prefix_is_optional = signature.prefix_is_optional
        self._clock = None if signature.timestamp is None else Clock(signature.timestamp)

    def __call__(self, request: Request, body: bytes, now: float) -> None:
        """Raises InvalidSignature with the first of FAILURES that is true."""
        value = take_one(request, self._header)
        parts = value.split(self._separator) if self._separator else [value]
        candidates = self._choose(parts)
        timestamp, seconds = b"", None
        if self._clock is not None and not self._clock.is_in_body:
            timestamp = self._clock.find(request, parts)
            seconds = self._clock.read(timestamp)
        pieces = self._content.collect(request, body, timestamp)
        if not self._digest.matches(b"".join(pieces), candidates):
            other = self._content.respell(pieces) if self._content.urls else pieces
            if other == pieces or not self._digest.matches(b"".join(other), candidates):
                is_like = any(map(self._digest.fits, candidates))
                raise InvalidSignature("mismatch" if is_like else "malformed")
        if self._clock is not None:
            self._clock.check(self._clock.read_body(body) if seconds is None else seconds, now)

    def _choose(self, parts: Sequence[bytes]) -> list[bytes]:
        """The signatures of the header, without their prefix."""
        prefix = self._prefix
        candidates = []
        for part in parts:
            stripped = part.strip()
            if stripped.startswith(prefix):
                candidates.append(stripped[len(prefix) :])
            elif self._prefix_is_optional:
                candidates.append(stripped)
        if not candidates or len(candidates) > CANDIDATES_MAX:
            raise InvalidSignature("malformed")
        return candidates


class Clock:
    """Where the timestamp is, what it means, and how far it may be from now."""

    def __init__(self, timestamp: Timestamp) -> None:
        self.is_in_body = timestamp.json is not None
        self._header = None if timestamp.header is None else timestamp.header.lower().encode()
        self._prefix = (timestamp.prefix or "").encode()
        self._json = timestamp.json or ""
        self._paths = JsonPaths([self._json] if self._json else [])
        self._unit = timestamp.unit
        self._tolerance = timestamp.tolerance_seconds

    def find(self, request: Request, parts: Sequence[bytes]) -> bytes:
        """The text, exactly as it came: it is signed as it is written."""
        if self._header is not None:
            return take_one(request, self._header)
        stripped = [part.strip() for part in parts]
        found = [part for part in stripped if part.startswith(self._prefix)]
        if len(found) != 1:
            raise InvalidSignature("malformed" if found else "missing")
        return found[0].removeprefix(self._prefix)

    def read(self, text: bytes) -> float:
        """Seconds since 1970."""
        try:
            if self._unit == "rfc3339":
                written = text.decode("latin-1")
                return parse_instant(written if _is_rfc3339(written) else "") / 1_000_000
            if not _is_number(text):
                raise ValueError
            return int(text) / (1_000 if self._unit == "ms" else 1)
        except ValueError:
            raise InvalidSignature("malformed") from None

    def read_body(self, body: bytes) -> float:
        """Called after the body was verified: nothing of a stranger is parsed."""
        text = self._paths.read(body).get(self._json)
        if text is None:
            raise InvalidSignature("missing")
        return self.read(text.encode())

    def check(self, seconds: float, now: float) -> None:
        """Raises InvalidSignature if the timestamp is too far from now."""
        if seconds < now - self._tolerance:
            raise InvalidSignature("expired")
        if seconds > now + self._tolerance:
            raise InvalidSignature("future")


def take_one(request: Request, name: bytes) -> bytes:
    """The value of a header that must be there once. Raises InvalidSignature."""
    values = request.values(name)
    if len(values) == 1 and values[0].strip():
        return values[0]
    raise InvalidSignature("malformed" if len(values) > 1 else "missing")


def _toggle_port(url: bytes) -> bytes:
    found = _port(url)
    if found is None:
        return url
    scheme, host, port, rest = found.groups()
    default = b"" if port else b":443" if scheme == b"https" else b":80"
    return scheme + host + default + rest
