"""What comes in and what goes out: msgspec structs, with their encoders and decoders.

Instants are integers inside the service: microseconds since 1970-01-01T00:00:00Z.
"""

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from service.errors import InvalidMessage

TEXT_CHARACTERS_MAX = 4096
MESSAGE_ID_CHARACTERS_MAX = 255

E164 = r"\A\+[1-9][0-9]{1,14}\Z"
RFC3339_UTC = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z"
)

E164_RULE = "an E.164 number: +, then 2 to 15 digits, the first not 0"
RFC3339_RULE = "an RFC 3339 instant in UTC that ends in Z, up to microseconds, and a real date"

RULES = {
    "message_id": "a string of 1 to 255 characters, not all white space",
    "from": E164_RULE,
    "to": E164_RULE,
    "ts": RFC3339_RULE,
    "text": "null or a string of at most 4,096 characters",
}
"""What a message's field must be, in the words of the answer that refuses it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NO_NUL = r"^[^\u0000]*$"
NOT_ONLY_SPACE = r"^[^\u0000]*(?:\uFEFF|[^\s\u0000\u001C-\u001F\u0085])[^\u0000]*$"
"""What is looked at behind the decoder, as JSON Schema has it: `\\s` is that of ECMA-262, which is
not quite what `str.isspace` takes for white space."""

Msisdn = Annotated[str, msgspec.Meta(pattern=E164, description=E164_RULE)]
Instant = Annotated[
    str,
    msgspec.Meta(
        pattern=RFC3339_UTC, description=RFC3339_RULE, extra_json_schema={"format": "date-time"}
    ),
]
MessageId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=MESSAGE_ID_CHARACTERS_MAX,
        description=RULES["message_id"],
        extra_json_schema={"pattern": NOT_ONLY_SPACE},
    ),
]
Text = Annotated[
    str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX, extra_json_schema={"pattern": NO_NUL})
]
Count = Annotated[int, msgspec.Meta(ge=0)]


class WebhookBody(msgspec.Struct, gc=False, frozen=True):
    """A webhook's body. Unknown fields are ignored; of a repeated one, the last counts."""

    message_id: MessageId
    from_msisdn: Msisdn = msgspec.field(name="from")
    to_msisdn: Msisdn = msgspec.field(name="to")
    ts: Instant
    text: Annotated[Text | None, msgspec.Meta(description=RULES["text"])] = None


class Message(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """A valid message, as the store takes it; `insert_messages.sql` reads it by these positions."""

    message_id: str
    from_msisdn: str
    to_msisdn: str
    ts: int
    text: str | None
    text_folded: str | None
    """`fold(text)`, where that differs from the text."""


class StoredMessage(msgspec.Struct, gc=False, frozen=True):
    """A message as `GET /messages` shows it."""

    message_id: MessageId
    from_msisdn: Msisdn = msgspec.field(name="from")
    to_msisdn: Msisdn = msgspec.field(name="to")
    ts: Instant
    text: Text | None


class Page(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /messages`."""

    data: list[StoredMessage]
    total: Count | None
    limit: Count
    offset: Count
    next: str | None


class SenderCount(msgspec.Struct, gc=False, frozen=True):
    """How many messages one sender has."""

    from_msisdn: Msisdn = msgspec.field(name="from")
    count: Count


class Stats(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /stats`."""

    total_messages: Count
    senders_count: Count
    messages_per_sender: list[SenderCount]
    first_message_ts: Instant | None
    last_message_ts: Instant | None


class Ok(msgspec.Struct, gc=False, frozen=True):
    """It is done: the message is on stable storage, or the process answers."""

    status: Literal["ok"]


class Readiness(msgspec.Struct, gc=False, frozen=True):
    """Webhooks can be verified and stored."""

    status: Literal["ready"]


class NotReady(msgspec.Struct, gc=False, frozen=True):
    """Why webhooks can't be verified or stored now."""

    status: Literal["not ready"]
    detail: str


class Refusal(msgspec.Struct, gc=False, frozen=True):
    """What every error answers: one sentence that names the field, the parameter or the limit."""

    detail: str


_TWO_DIGITS = [f"{number:02d}" for number in range(60)]

_decode_body = msgspec.json.Decoder(WebhookBody).decode
_field_of_error = re.compile(r"at `\$\.(\w+)`|missing required field `(\w+)`")

encode = msgspec.json.Encoder().encode


def decode_message(body: bytes) -> Message:
    """The message that a webhook's body holds.

    Raises InvalidMessage, which names the field and its rule.
    """
    try:
        sent = _decode_body(body)
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidMessage(
            "the body must be valid JSON in UTF-8, without lone surrogates"
        ) from None
    if sent.message_id.isspace():
        raise _broken("message_id")
    # JSON can write U+0000 in one way only, so that most bodies need no look at their fields.
    if b"\\u0000" in body:
        _refuse_nul(sent)
    try:
        ts = parse_instant(sent.ts)
    except ValueError:
        raise _broken("ts") from None
    return Message(
        sent.message_id, sent.from_msisdn, sent.to_msisdn, ts, sent.text, _fold_if_other(sent.text)
    )


def fold(text: str) -> str:
    """`text` without its case, for every script: Unicode's full case folding.

    The one folding of the service: of what is stored and of what is searched. It folds character
    by character, so that a part of a text stays a part of it.
    """
    return text.casefold()


def parse_instant(text: str) -> int:
    """Microseconds since 1970 of an instant of the shape RFC3339_UTC.

    Raises ValueError where there is no such date or time of day.
    """
    since = datetime.fromisoformat(text) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A parser of decimal digits, and nothing else, for a number between two bounds, inclusive.

    What it gives raises ValueError for any other text.
    """

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return parse


def format_instant(microseconds: int) -> str:
    """RFC 3339 in UTC, without needless fraction digits."""
    minutes, rest = divmod(microseconds, 60_000_000)
    seconds, fraction = divmod(rest, 1_000_000)
    if not fraction:
        return f"{_format_minute(minutes)}{_TWO_DIGITS[seconds]}Z"
    return f"{_format_minute(minutes)}{_TWO_DIGITS[seconds]}.{fraction:06d}".rstrip("0") + "Z"


@functools.lru_cache(1024)
def _format_minute(minutes: int) -> str:
    """All but the seconds. Messages come in the order of time: most share it with the last one."""
    return (EPOCH + timedelta(minutes=minutes)).isoformat()[: len("YYYY-MM-DDTHH:MM:")]


def _fold_if_other(text: str | None) -> str | None:
    if text is None:
        return None
    folded = fold(text)
    return None if folded == text else folded


def _explain(error: msgspec.ValidationError) -> InvalidMessage:
    found = _field_of_error.search(str(error))
    if found is None:
        return InvalidMessage("the body must be a JSON object")
    if found[2]:
        return InvalidMessage(f"{found[2]} is required: {RULES[found[2]]}")
    return _broken(found[1])


def _broken(field: str) -> InvalidMessage:
    return InvalidMessage(f"{field} must be {RULES[field]}")


def _refuse_nul(sent: WebhookBody) -> None:
    for field, value in (("message_id", sent.message_id), ("text", sent.text)):
        if value is not None and "\0" in value:
            raise InvalidMessage(f"{field} must not contain U+0000")
