"""Every scheme accepts the requests that its provider published, and no other request."""

from collections.abc import Iterator

import pytest

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

VECTORS = [
    pytest.param(scheme, vector, id=f"{scheme.name}-{number}")
    for scheme in SCHEMES.values()
    for number, vector in enumerate(scheme.vectors)
]
REFUSALS = {"missing", "malformed", "mismatch"}


@pytest.mark.parametrize(("scheme", "vector"), VECTORS)
class TestAVector:
    def test_is_accepted(self, scheme: Scheme, vector: Vector) -> None:
        source = make_source(scheme, vector.secret.encode())
        assert source.verify(vector.request, vector.body_bytes, vector.now) == 0
        found = source.identify(vector.request, vector.body_bytes)
        assert (found.event_id, found.type) == (vector.id or found.event_id, vector.type)

    def test_says_which_secret_signed(self, scheme: Scheme, vector: Vector) -> None:
        another = another_secret(vector)
        source = make_source(scheme, another, vector.secret.encode())
        assert source.verify(vector.request, vector.body_bytes, vector.now) == 1
        source = make_source(scheme, another)
        assert judge(source, vector.request, vector.body_bytes, vector.now) in REFUSALS

    def test_is_refused_with_another_body(self, scheme: Scheme, vector: Vector) -> None:
        if signature_of(scheme, vector).digest == "token":
            return  # it signs nothing
        source = make_source(scheme, vector.secret.encode())
        body = vector.body_bytes
        changed = [flip(body, place) for place in range(len(body))]
        for each in (*changed, body + b"x", body[:-1], b"", b"x" + body, body[::-1]):
            if signed_form(scheme, each) != signed_form(scheme, body):
                assert judge(source, vector.request, each, vector.now) in REFUSALS

    def test_is_refused_with_another_signature(self, scheme: Scheme, vector: Vector) -> None:
        source = make_source(scheme, vector.secret.encode())
        signature = signature_of(scheme, vector)
        needed = needed_pieces(scheme, vector)
        for changed in near(header_of(scheme, vector)):
            request = with_header(vector.request, signature.header, changed)
            verdict = judge(source, request, vector.body_bytes, vector.now)
            assert (verdict == 0) == is_honest(signature, needed, changed), changed
            assert verdict in {0, *REFUSALS}

    def test_names_what_is_wrong(self, scheme: Scheme, vector: Vector) -> None:
        source = make_source(scheme, vector.secret.encode())
        signature = signature_of(scheme, vector)
        value = header_of(scheme, vector)

        def verdict(*values: bytes) -> int | str:
            request = with_header(vector.request, signature.header, *values)
            return judge(source, request, vector.body_bytes, vector.now)

        assert verdict() == verdict(b"") == verdict(b" \t") == "missing"
        assert verdict(value, value) == verdict(value, b"x") == "malformed"
        garbage = "mismatch" if signature.digest == "token" else "malformed"
        assert verdict(b"garbage") == verdict("schön 🎉".encode()) == garbage
        assert verdict(bytes(range(1, 256))) in REFUSALS

    def test_is_too_old_or_too_new_on_both_sides(self, scheme: Scheme, vector: Vector) -> None:
        timestamp = signature_of(scheme, vector).timestamp
        source = make_source(scheme, vector.secret.encode())

        def verdict(now: float) -> int | str:
            return judge(source, vector.request, vector.body_bytes, now)

        if timestamp is None:
            assert verdict(0) == verdict(2e9) == 0
            return
        tolerance = timestamp.tolerance_seconds
        assert verdict(vector.now + tolerance - 1) == verdict(vector.now - tolerance + 1) == 0
        assert verdict(vector.now + tolerance + 2) == "expired"
        assert verdict(vector.now - tolerance - 2) == "future"

    def test_needs_the_timestamp_that_was_signed(self, scheme: Scheme, vector: Vector) -> None:
        timestamp = signature_of(scheme, vector).timestamp
        if timestamp is None or timestamp.header is None:
            return
        source = make_source(scheme, vector.secret.encode())
        name = timestamp.header
        [value] = vector.request.values(name.lower().encode())

        def verdict(*values: bytes) -> int | str:
            request = with_header(vector.request, name, *values)
            return judge(source, request, vector.body_bytes, vector.now)

        assert verdict() == verdict(b"") == "missing"
        assert verdict(value, value) == "malformed"
        for place in range(len(value)):
            assert verdict(flip(value, place)) in REFUSALS
        for text in (
            b"-1",
            b"+1",
            b"1e9",
            b" 1",
            b"1_0",
            "\u0661".encode(),
            b"\xff",
            b"0x1",
            b"NaN",
        ):
            assert verdict(text) == "malformed"
        if timestamp.unit != "rfc3339":
            assert verdict(b"1" + b"0" * 30) == "mismatch"
            assert verdict(b"1" + b"0" * 5_000) == "malformed"
            assert verdict(value + b"0") == verdict(b"0" + value) == "mismatch"


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_a_scheme_has_a_vector_for_each_signature_and_names_its_page(scheme: Scheme) -> None:
    assert {signature_of(scheme, vector).prefix for vector in scheme.vectors} == {
        signature.prefix for signature in scheme.signatures
    }
    assert scheme.page.startswith("https://")


def another_secret(vector: Vector) -> bytes:
    """A secret of the same form."""
    secret = vector.secret.encode()
    return secret[:10] + (b"A" if secret[10:11] != b"A" else b"B") + secret[11:]


def signed_form(scheme: Scheme, body: bytes) -> object:
    """What a form's signature says of a body: Twilio's does not tell the end of a name."""
    if scheme.name != "twilio":
        return body
    return body.replace(b"=", b"").replace(b"&", b"")


def near(value: bytes) -> Iterator[bytes]:
    for place in range(len(value)):
        yield flip(value, place)
        yield value[:place]
        yield value[:place] + value[place + 1 :]
    yield from (
        value.upper(),
        value.lower(),
        value.swapcase(),
        value + b"=",
        value * 2,
        b"x" + value,
    )
    yield from (value + b",", b"," + value, value + b" ", b" " + value)


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_sixteen_signatures_are_tried_and_no_more() -> None:
    vector = SCHEMES["stripe"].vectors[0]
    source = make_source("stripe", vector.secret.encode())
    _, good, _ = vector.headers["Stripe-Signature"].encode().split(b",")
    for count, expected in ((0, 0), (15, 0), (16, "malformed")):
        header = b",".join([b"t=1533204620", *[b"v1=" + b"0" * 64] * count, good])
        request = with_header(vector.request, "Stripe-Signature", header)
        assert judge(source, request, vector.body_bytes, vector.now) == expected


def test_a_trailer_that_repeats_the_signature_is_not_in_the_request() -> None:
    """The headers are taken before the body is read, when the list has no trailer yet."""
    vector = SCHEMES["github"].vectors[0]
    headers = list(vector.request.headers)
    request = Request(tuple(headers), vector.url)
    headers.append(headers[0])
    source = make_source("github", vector.secret.encode())
    assert source.verify(request, vector.body_bytes, 0) == 0
