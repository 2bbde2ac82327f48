"""A message: the rules of its fields, and how a webhook's body becomes one."""

import re
from typing import Annotated

import msgspec

from service.errors import InvalidMessage
from service.messages.instants import RFC3339_RULE, RFC3339_UTC, parse_instant
from service.messages.text import fold

E164 = r"\A\+[1-9][0-9]{1,14}\Z"
E164_RULE = "an E.164 number: +, then 2 to 15 digits, the first not 0"
MESSAGE_ID_CHARACTERS_MAX = 255
TEXT_CHARACTERS_MAX = 4096

RULES = {
    "message_id": f"a string of 1 to {MESSAGE_ID_CHARACTERS_MAX} characters, not all white space",
    "from": E164_RULE,
    "to": E164_RULE,
    "ts": RFC3339_RULE,
    "text": f"null or a string of at most {TEXT_CHARACTERS_MAX:,} characters",
}
"""What each field must be, in the words of the answer that refuses it."""

Msisdn = Annotated[str, msgspec.Meta(pattern=E164)]


class WebhookBody(msgspec.Struct, gc=False, frozen=True):
    """A webhook's body. Unknown fields are ignored. If a field is repeated, the last one counts."""

    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MESSAGE_ID_CHARACTERS_MAX)]
    from_msisdn: Msisdn = msgspec.field(name="from")
    to_msisdn: Msisdn = msgspec.field(name="to")
    ts: Annotated[str, msgspec.Meta(pattern=RFC3339_UTC)]
    text: Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)] | None = None


class Message(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """A valid message, as the store takes it. `insert_messages.sql` reads it by position."""

    message_id: str
    from_msisdn: str
    to_msisdn: str
    ts: int
    text: str | None
    text_folded: str | None
    """`fold(text)` if it differs from the text, else None."""


_decode_body = msgspec.json.Decoder(WebhookBody).decode
_field_of_error = re.compile(r"at `\$\.(\w+)`|missing required field `(\w+)`")

encode = msgspec.json.Encoder().encode


def decode_message(body: bytes) -> Message:
    """The message in a webhook's body.

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
    # JSON has only one way to write U+0000. Most bodies do not hold it.
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
