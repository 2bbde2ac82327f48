"""A message: the rules of its fields, and how a webhook's body becomes one."""

import re
from typing import Annotated

import msgspec

from service.errors import InvalidMessage
from service.messages.instants import RFC3339_RULE, Instant, parse_instant
from service.messages.text import fold

TEXT_CHARACTERS_MAX = 4096
MESSAGE_ID_CHARACTERS_MAX = 255

E164 = r"\A\+[1-9][0-9]{1,14}\Z"
E164_RULE = "an E.164 number: +, then 2 to 15 digits, the first not 0"

RULES = {
    "message_id": "a string of 1 to 255 characters, not all white space",
    "from": E164_RULE,
    "to": E164_RULE,
    "ts": RFC3339_RULE,
    "text": "null or a string of at most 4,096 characters",
}
"""What a message's field must be, in the words of the answer that refuses it."""

NO_NUL = r"^[^\u0000]*$"
NOT_ONLY_SPACE = r"^[^\u0000]*(?:\uFEFF|[^\s\u0000\u001C-\u001F\u0085])[^\u0000]*$"
"""What is looked at behind the decoder, as JSON Schema has it: `\\s` is that of ECMA-262, which is
not quite what `str.isspace` takes for white space."""

Msisdn = Annotated[str, msgspec.Meta(pattern=E164, description=E164_RULE)]
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
