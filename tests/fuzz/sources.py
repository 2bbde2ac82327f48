"""Fuzz targets of sources: a target for each scheme, and one for forms."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from urllib.parse import unquote_to_bytes

from service.sources.fields import read_form, split_form
from service.sources.request import Request
from service.sources.scheme import Scheme, Vector
from tests.support.schemes import (
    SCHEMES,
    header_of,
    is_honest,
    judge,
    make_source,
    needed_pieces,
    signature_of,
    with_header,
)

TRUE = b"\x01"
"""Stands for what the vector has there. So the fuzzer finds near misses."""


class Guard:
    """A vector, and the header, timestamp and body that would be accepted in its place."""

    def __init__(self, scheme: Scheme, vector: Vector) -> None:
        self._vector = vector
        self._signature = signature_of(scheme, vector)
        self._source = make_source(scheme, vector.secret.encode())
        self._header = header_of(scheme, vector)
        self._needed = needed_pieces(scheme, vector)
        timestamp = self._signature.timestamp
        self._stamp_name = (timestamp and timestamp.header) or ""
        self._stamp = b"".join(vector.request.values(self._stamp_name.lower().encode()))

    def run(self, data: bytes, guards: Sequence["Guard"]) -> None:
        """The header before the first newline, the timestamp before the second, then the body."""
        header, _, rest = data.partition(b"\n")
        stamp, _, body = rest.partition(b"\n")
        header, stamp = header.replace(TRUE, self._header), stamp.replace(TRUE, self._stamp)
        body = body.replace(TRUE, self._vector.body_bytes)
        request = with_header(self._vector.request, self._signature.header, header)
        if self._stamp_name:
            request = with_header(request, self._stamp_name, stamp)
        is_accepted = judge(self._source, request, body, self._vector.now) == 0
        assert is_accepted or not self.permits(header, stamp, body), (header, stamp, body)
        # Vectors of one secret permit each other.
        permitted = any(guard.permits(header, stamp, body) for guard in guards)
        assert permitted or not is_accepted, (header, stamp, body)
        self._name(request, body)

    def permits(self, header: bytes, stamp: bytes, body: bytes) -> bool:
        """Whether this is the vector, as far as the signature tells."""
        return (
            is_honest(self._signature, self._needed, header)
            and (not self._stamp_name or stamp == self._stamp)
            and (
                self._signature.digest == "token"
                or self._signed(body) == self._signed(self._vector.body_bytes)
            )
        )

    def _signed(self, body: bytes) -> bytes:
        is_form = "{form}" in self._signature.signs and "bodySHA256" not in self._vector.url
        return flatten(body) if is_form else body

    def _name(self, request: Request, body: bytes) -> None:
        event_id, type_, _ = self._source.identify(request, body)
        assert 1 <= len(event_id) <= 255
        assert "\0" not in event_id + (type_ or "")
        (event_id + (type_ or "") + self._source.kept_headers(request)).encode()


def flatten(form: bytes) -> bytes:
    """What Twilio signs of a form, by the standard library."""
    return b"".join(name + value for name, value in sorted(set(parse(form))))


def parse(form: bytes) -> list[tuple[bytes, bytes]]:
    fields = [field.partition(b"=") for field in form.replace(b"+", b" ").split(b"&") if field]
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in fields]


def fuzz_form(body: bytes) -> None:
    """A form is read as the standard library reads it."""
    assert read_form(body) == parse(body)
    canonical = "".join(chain.from_iterable(sorted(set(split_form(body)))))
    assert canonical.encode("latin-1") == flatten(body)


def fuzz_vectors(guards: list[Guard], data: bytes) -> None:
    """The first byte chooses the vector."""
    guards[data[0] % len(guards) if data else 0].run(data[1:], guards)


def make_target(scheme: Scheme) -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function and its seeds."""
    guards = [Guard(scheme, vector) for vector in scheme.vectors]
    seeds = [bytes([number]) + b"\x01\n\x01\n\x01" for number in range(len(guards))]
    for number, vector in enumerate(scheme.vectors):
        written = [header_of(scheme, vector), b"\x01", vector.body_bytes]
        seeds.append(bytes([number]) + b"\n".join(written))
    return partial(fuzz_vectors, guards), [*seeds, b"", b"\x00\xff\n\n"]


FORMS = [vector.body_bytes for vector in SCHEMES["twilio"].vectors] + [b"a=%4", b"%\\x41&=\xff&&+"]
