"""An event as one line of NDJSON: what `export --events` writes and `import` reads.

The line is what `GET /events` shows of the event. Only the body's rule is stricter: it must come
back byte for byte from one line. So a body with a line feed or with white space around it is given
in base64, like one that is no JSON.
"""

import base64
import re
from typing import Annotated

import msgspec

from service.api.answers import encode
from service.api.events.bodies import EncodedBody
from service.api.events.one_event import show_event
from service.errors import InvalidMessage
from service.messages.event import EVENT_ID_CHARACTERS_MAX, Event
from service.messages.instants import RFC3339, RFC3339_RULE, parse_instant
from service.messages.message import RULES as MESSAGE_RULES
from service.messages.message import is_message_id
from service.store.interface import EventRow

NAME_CHARACTERS_MAX = 255
"""Of a source and of a type: both are in an index, whose entries are limited."""

RULES = {
    "source": "lower-case letters and digits, with single hyphens between them",
    "id": f"a string of 1 to {EVENT_ID_CHARACTERS_MAX} characters",
    "type": f"null or a string of at most {NAME_CHARACTERS_MAX} characters",
    "received_at": RFC3339_RULE,
    "headers": "an object of strings",
    "content_type": "null or a string",
    "body": 'the JSON of the body, or {"base64": "…"} with its bytes',
    "problem": "null or a string",
    "message_ids": f"a list, each of {MESSAGE_RULES['message_id']}",
}

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=EVENT_ID_CHARACTERS_MAX)]
Name = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
SourceName = Annotated[
    str, msgspec.Meta(pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", max_length=NAME_CHARACTERS_MAX)
]


class _Line(msgspec.Struct, gc=False, frozen=True):
    source: SourceName
    id: Id
    type: Name | None
    received_at: Annotated[str, msgspec.Meta(pattern=RFC3339)]
    headers: dict[str, str]
    content_type: str | None
    body: msgspec.Raw
    problem: str | None
    message_ids: tuple[str, ...] = ()


class _LikeEvent(msgspec.Struct, gc=False):
    source: msgspec.Raw
    received_at: msgspec.Raw


class _LikeEncodedBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    base64: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode
_decode_like_event = msgspec.json.Decoder(_LikeEvent).decode
_decode_like_encoded_body = msgspec.json.Decoder(_LikeEncodedBody).decode
_decode_base64 = msgspec.json.Decoder(bytes).decode
_field_of_error = re.compile(r"at `\$\.(\w+)|missing required field `(\w+)`")
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode_line(row: EventRow) -> bytes:
    """The line of an event, with its line feed."""
    shown = show_event(row)
    if b"\n" in row.body or row.body.strip() != row.body:
        encoded = EncodedBody(base64.b64encode(row.body).decode())
        shown = msgspec.structs.replace(shown, body=msgspec.Raw(encode(encoded)))
    return encode(shown) + b"\n"


def is_like_event(line: bytes) -> bool:
    """Whether a line that is no message is meant to be an event."""
    try:
        _decode_like_event(line)
    except _NOT_JSON:
        return False
    return True


def decode_line(line: bytes) -> Event:
    """The event in a line. Raises InvalidMessage, which names the field and its rule."""
    try:
        line.decode()
        found = _decode(line)
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    except _NOT_JSON:
        raise InvalidMessage("the body must be valid JSON in UTF-8") from None
    try:
        received_at = parse_instant(found.received_at)
    except ValueError:
        raise _broken("received_at") from None
    if not all(map(is_message_id, found.message_ids)):
        raise _broken("message_ids")
    try:
        return Event(
            found.source,
            found.id,
            found.type,
            received_at,
            encode(found.headers).decode(),
            found.content_type,
            _read_body(bytes(found.body)),
            found.problem,
            message_ids=found.message_ids,
        )
    except ValueError:
        raise InvalidMessage("no field but body may hold U+0000", "body") from None


def _read_body(written: bytes) -> bytes:
    """The bytes of a body. Raises InvalidMessage."""
    try:
        encoded = _decode_like_encoded_body(written)
    except msgspec.ValidationError:
        return written
    try:
        return _decode_base64(bytes(encoded.base64))
    except msgspec.ValidationError:
        raise _broken("body") from None


def _explain(error: msgspec.ValidationError) -> InvalidMessage:
    found = _field_of_error.search(str(error))
    if found is None:
        return InvalidMessage("the body must be a JSON object")
    if found[2]:
        return InvalidMessage(f"{found[2]} is required: {RULES[found[2]]}", found[2])
    return _broken(found[1])


def _broken(field: str) -> InvalidMessage:
    return InvalidMessage(f"{field} must be {RULES[field]}", field)
