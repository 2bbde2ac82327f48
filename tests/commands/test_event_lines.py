"""An event as a line: every body comes back, and a bad line is refused by its rule."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.commands.event_lines import RULES, decode_line, encode_line
from service.errors import InvalidMessage
from service.messages.event import Event
from service.store.interface import EventRow
from tests.support.events import BODIES, EVENTS, event, rows_of
from tests.support.service import Json

GOOD: Json = {
    "source": "github",
    "id": "1",
    "type": None,
    "received_at": "2026-11-23T12:00:00Z",
    "headers": {},
    "content_type": None,
    "body": {},
    "problem": None,
}


def line_of(each: Event) -> bytes:
    return encode_line(rows_of([each])[0])


def test_every_event_comes_back() -> None:
    for each in EVENTS:
        line = line_of(each)
        assert line.count(b"\n") == 1
        assert decode_line(line) == each
        json.loads(line)


@given(st.binary() | st.text().map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("base64"), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_comes_back(body: bytes) -> None:
    line = line_of(event(1, body))
    assert line.count(b"\n") == 1
    assert decode_line(line).body == body


@pytest.mark.parametrize(
    "body", [b'{"a":1}', b'{ "a" : [ 1.0 , 2e1 ] }', b'{"a":1,"a":2}', b'"\xc3\xa4"', b"0"]
)
def test_json_stands_in_the_line_as_it_came(body: bytes) -> None:
    assert b'"body":' + body + b"," in line_of(event(1, body))


@pytest.mark.parametrize("body", BODIES[2:5] + BODIES[11:19])
def test_what_would_not_come_back_is_base64(body: bytes) -> None:
    shown = json.loads(line_of(event(1, body)))["body"]
    assert base64.b64decode(shown["base64"], validate=True) == body


def test_unknown_fields_are_ignored_and_message_ids_may_be_missing() -> None:
    each = decode_line(json.dumps(GOOD | {"position": 7}).encode())
    assert (each.source, each.event_id, each.message_ids) == ("github", "1", ())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source": "Git Hub"}, f"source must be {RULES['source']}"),
        ({"source": "a" * 256}, f"source must be {RULES['source']}"),
        ({"id": ""}, "id must be a string of 1 to 255 characters"),
        ({"id": "i" * 256}, "id must be a string of 1 to 255 characters"),
        ({"id": None}, "id must be a string of 1 to 255 characters"),
        ({"type": "t" * 256}, "type must be null or a string of at most 255 characters"),
        ({"received_at": "2026-02-30T00:00:00Z"}, "received_at must be an RFC 3339 instant"),
        ({"received_at": 1}, "received_at must be an RFC 3339 instant"),
        ({"headers": {"a": 1}}, "headers must be an object of strings"),
        ({"headers": None}, "headers must be an object of strings"),
        ({"content_type": 1}, "content_type must be null or a string"),
        ({"body": {"base64": "!!"}}, "body must be the JSON of the body, or"),
        ({"body": {"base64": 1}}, "body must be the JSON of the body, or"),
        ({"problem": 1}, "problem must be null or a string"),
        ({"message_ids": [1]}, "message_ids must be a list, each of a string of 1 to 255"),
        ({"message_ids": [""]}, "message_ids must be a list, each of a string of 1 to 255"),
        ({"problem": "private \0"}, "no field but body may hold U+0000"),
        (
            {"message_ids": ["private \0"]},
            "message_ids must be a list, each of a string of 1 to 255",
        ),
    ],
    ids=str,
)
def test_a_broken_rule_is_named(changes: Json, sentence: str) -> None:
    with pytest.raises(InvalidMessage) as refusal:
        decode_line(json.dumps(GOOD | changes).encode())
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("field", list(GOOD))
def test_a_missing_field_is_named(field: str) -> None:
    line = json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()
    with pytest.raises(InvalidMessage, match=f"^{field} is required: "):
        decode_line(line)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"[]", "the body must be a JSON object"),
        (b"{", "the body must be valid JSON in UTF-8"),
        (json.dumps(GOOD).encode().replace(b"{}", b'"\xff"'), "the body must be valid JSON"),
        (
            json.dumps(GOOD).encode().replace(b'"body": {}', b'"body":' + b"[" * 5_000),
            "the body must be valid JSON",
        ),
    ],
)
def test_no_json(line: bytes, sentence: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^{sentence}"):
        decode_line(line)


def test_headers_come_back_as_they_are_stored() -> None:
    row = EventRow("a", "1", None, 0, '{"b":"1, 2","a":"\\u0001é"}', None, b"", None, ())
    assert decode_line(encode_line(row)).headers == row.headers
