"""Bodies in answers: JSON byte for byte, and everything else in base64."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.events.bodies import LEVELS_MAX, show_body

JSON_BODIES = [
    b"{}",
    b'{"a":1,"a":2}',
    b" [ 1 , -0.0e-7 ]\r\n\t",
    b'"\\u0000\\ud83d\\ude00\xc3\xa9\xe2\x80\xa8"',
    b"1" * 300,
    b"0." + b"1" * 5_000,
    b"null",
    b'{"base64":"eA==","other":1}',
    b'[{"base64":"eA=="}]',
    b'{"BASE64":"eA=="}',
    b"[" * LEVELS_MAX + b"]" * LEVELS_MAX,
    b'{"a":' * LEVELS_MAX + b"1" + b"}" * LEVELS_MAX,
    b"[0" + b",{}" * 500_000 + b"]",
    b'["' + b"[" * 1_000 + b'","\\"' + b"{" * 1_000 + b'\\\\"]',
]
OTHER_BODIES = [
    b"",
    b" ",
    b"\xef\xbb\xbf{}",
    b"NaN",
    b"[Infinity]",
    b'"\\ud800"',
    b'{"\\udfff":1}',
    b'"\xff"',
    b'{"\xed\xa0\x80":1}',
    b'"\xc0\x80"',
    b'"a\nb"',
    b"{} {}",
    b"{}\0",
    b"[1,]",
    b"01",
    b"1e400",
    b"9" * 5_000,
    b"{}".decode().encode("utf-16"),
    b'{"base64":"eA=="}',
    b' { "\\u0062ase64" : { } } ',
    b'{"base64":1,"base64":2}',
    b"[" * (LEVELS_MAX + 1) + b"]" * (LEVELS_MAX + 1),
    b'[{"a":' * 31 + b"1" + b"}]" * 31,
    b"[" * 5_000 + b"]" * 5_000,
    b"[" * 100_000,
    b'{"a":' * 100_000,
]


def name(body: bytes) -> str:
    return f"{len(body)} bytes {body[:20]!r}"


@pytest.mark.parametrize("body", JSON_BODIES, ids=name)
def test_json_is_given_byte_for_byte(body: bytes) -> None:
    assert bytes(show_body(body)) == body


@pytest.mark.parametrize("body", OTHER_BODIES, ids=name)
def test_what_some_parser_refuses_is_in_base64(body: bytes) -> None:
    shown = json.loads(bytes(show_body(body)))
    assert list(shown) == ["base64"]
    assert base64.b64decode(shown["base64"], validate=True) == body


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("base64"), inner),
)


@given(
    st.binary()
    | st.text('{}[]",:0e1-+.\\ud8base64 \n', max_size=40).map(str.encode)
    | st.builds(
        lambda value, escapes: json.dumps(value, ensure_ascii=escapes), values, st.booleans()
    ).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_a_reader_gets_every_body_back_from_a_strict_parser(body: bytes) -> None:
    answer = b'{"body":' + bytes(show_body(body)) + b"}"
    shown = msgspec.json.decode(answer)["body"]
    if isinstance(shown, dict) and list(shown) == ["base64"]:
        assert base64.b64decode(shown["base64"], validate=True) == body
    else:
        assert answer == b'{"body":' + body + b"}"
        assert json.loads(answer)
