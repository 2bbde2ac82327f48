"""An event as one line of NDJSON: what `export --events` writes and `import` reads.

The line is what `GET /events` shows of the event. Only the body's rule is stricter: it must come
back byte for byte from one line. So a body with a line feed or with white space around it is given
in base64, like one that is no JSON.
"""

from typing import Annotated

import msgspec

from service.api.answers import encode
from service.api.events.bodies import encode_body, find_encoded
from service.api.events.one_event import show_event
from service.errors import InvalidMessage
from service.messages.event import NAME_CHARACTERS_MAX, Event
from service.messages.instants import RFC3339, RFC3339_RULE, parse_instant
from service.messages.message import RULES as MESSAGE_RULES
from service.messages.message import broken, explain, is_message_id, not_json
from service.store.interface import EventRow

RULES = {
    "source": "lower-case letters and digits, with single hyphens between them",
    "id": f"a string of 1 to {NAME_CHARACTERS_MAX} characters",
    "type": f"null or a string of at most {NAME_CHARACTERS_MAX} characters",
    "received_at": RFC3339_RULE,
    "headers": "an object of strings",
    "content_type": "null or a string",
    "body": 'the JSON of the body, or {"base64": "…"} with its bytes',
    "problem": "null or a string",
    "message_ids": f"a list, each of {MESSAGE_RULES['message_id']}",
}

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
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


_decode = msgspec.json.Decoder(_Line).decode
_decode_like_event = msgspec.json.Decoder(_LikeEvent).decode
_decode_base64 = msgspec.json.Decoder(bytes).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode_line(row: EventRow) -> bytes:
    """The line of an event, with its line feed."""
    shown = show_event(row)
    if b"\n" in row.body or row.body.strip() != row.body:
        shown = msgspec.structs.replace(shown, body=encode_body(row.body))
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
        raise explain(error, RULES) from None
    except _NOT_JSON:
        raise not_json() from None
    try:
        received_at = parse_instant(found.received_at)
    except ValueError:
        raise broken("received_at", RULES) from None
    if not all(map(is_message_id, found.message_ids)):
        raise broken("message_ids", RULES)
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
    encoded = find_encoded(written)
    if encoded is None:
        return written
    try:
        return _decode_base64(bytes(encoded))
    except msgspec.ValidationError:
        raise broken("body", RULES) from None
