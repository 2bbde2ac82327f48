"""Whatever `sign` signs is accepted by the same scheme, and by it alone."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.errors import InvalidSignature
from service.sources.request import Request
from service.sources.scheme import Scheme, Signature
from service.sources.signing import sign
from tests.support.schemes import SCHEMES, SEED, Keys, judge, make_keys, make_source

URL = "https://example.com/webhook/source?a=b"
SIGNATURES = [
    pytest.param(scheme, signature, id=f"{scheme.name}-{number}")
    for scheme in SCHEMES.values()
    for number, signature in enumerate(scheme.signatures)
]
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)
TIMES = st.integers(0, 2**31).map(float)


def signed(
    scheme: Scheme, signature: Signature, keys: Keys, body: bytes, now: float, event_id: str
) -> Request:
    alone = replace(scheme, signature=signature)
    headers = sign(alone, keys.signing, body, now, event_id, URL)
    raw = [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()]
    return Request(raw, URL)


@pytest.mark.parametrize(("scheme", "signature"), SIGNATURES)
def test_what_is_signed_is_accepted(scheme: Scheme, signature: Signature) -> None:
    keys = make_keys(signature)
    source = make_source(scheme, keys.verifying)
    other = (
        make_source(scheme, make_keys(replace(signature, key="text")).verifying[:-1] + b"!")
        if signature.key == "text"
        else None
    )

    @given(st.binary(max_size=100), TIMES, IDS)
    def check(body: bytes, now: float, event_id: str) -> None:
        if signature.timestamp is not None and signature.timestamp.json is not None:
            body = b'{"%b":%d}' % (signature.timestamp.json.encode(), int(now * 1_000))
        request = signed(scheme, signature, keys, body, now, event_id)
        assert source.verify(request, body, now) == 0
        if any(part.kind == "header" for part in scheme.id_parts[0]):
            assert source.identify(request, body).event_id == event_id
        if other is not None:
            assert judge(other, request, body, now) == "mismatch"
        if signature.timestamp is not None:
            late = now + signature.timestamp.tolerance_seconds + 2
            assert judge(source, request, body, late) == "expired"

    check()


@pytest.mark.parametrize(("scheme", "signature"), SIGNATURES)
def test_any_bytes_are_refused_and_never_fail(scheme: Scheme, signature: Signature) -> None:
    source = make_source(scheme, make_keys(signature).verifying)
    names = [each.header.lower().encode() for each in scheme.signatures]
    names += [name.lower().encode() for name in ("webhook-id", "webhook-timestamp", "svix-id")]
    names += [
        each.timestamp.header.lower().encode()
        for each in scheme.signatures
        if each.timestamp is not None and each.timestamp.header is not None
    ]
    headers = st.lists(st.tuples(st.sampled_from(names), st.binary(max_size=90)), max_size=6)

    @given(headers, st.binary(max_size=90), st.text(max_size=30), st.floats())
    def check(found: list[tuple[bytes, bytes]], body: bytes, url: str, now: float) -> None:
        request = Request(found, url)
        with pytest.raises(InvalidSignature):
            source.verify(request, body, now)
        event_id, type_, _ = source.identify(request, body)
        assert 1 <= len(event_id) <= 255
        assert "\0" not in event_id + (type_ or "")
        (event_id + (type_ or "") + source.kept_headers(request)).encode()

    check()


def test_the_type_is_the_example_unless_it_is_given() -> None:
    github = SCHEMES["github"]
    assert sign(github, b"a", b"", 0, "1", URL)["X-GitHub-Event"] == "ping"
    assert sign(github, b"a", b"", 0, "1", URL, "push")["X-GitHub-Event"] == "push"


def test_a_private_key_is_32_bytes_or_64() -> None:
    scheme = SCHEMES["standard-webhooks"]
    vector = scheme.vectors[2]
    pair = (
        "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    )
    for key in (pair, base64.b64encode(base64.b64decode(pair)[:32]).decode()):
        headers = sign(
            scheme, f"whsk_{key}".encode(), vector.body_bytes, vector.now, vector.id or "", URL
        )
        assert headers == vector.headers
    for wrong in (b"whsk_AA==", b"whpk_" + base64.b64encode(SEED), b"x"):
        with pytest.raises(ValueError, match=r"whsec_ and base64, or"):
            sign(scheme, wrong, b"", 0, "1", URL)


def test_a_url_with_the_digest_of_another_body_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="a URL whose digest is that of the body"):
        sign(SCHEMES["twilio"], b"secret", b"{}", 0, "1", f"{URL}&bodySHA256=00")
