"""A message: the rules of its fields, and how a webhook's body becomes one."""

import codecs
import re
from typing import Annotated

import msgspec

from service.errors import InvalidMessage
from service.messages.instants import RFC3339, RFC3339_RULE, parse_instant
from service.messages.text import fold

E164 = r"\A\+[1-9][0-9]{1,14}\Z"
E164_RULE = "an E.164 number: +, then 2 to 15 digits, the first not 0"
MESSAGE_ID_CHARACTERS_MAX = 255
TEXT_CHARACTERS_MAX = 4096

RULES = {
    "message_id": f"a string of 1 to {MESSAGE_ID_CHARACTERS_MAX} characters, not all white space,"
    " without U+0000 or a lone surrogate",
    "from": E164_RULE,
    "to": E164_RULE,
    "ts": RFC3339_RULE,
    "text": f"null or a string of at most {TEXT_CHARACTERS_MAX:,} characters",
}
"""What each field must be, in the words of the answer that refuses it."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What a text gets for U+0000 and for a lone surrogate, which databases cannot store."""

MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=MESSAGE_ID_CHARACTERS_MAX)]
Msisdn = Annotated[str, msgspec.Meta(pattern=E164)]


class WebhookBody(msgspec.Struct, gc=False, frozen=True):
    """A webhook's body. Unknown fields are ignored. If a field is repeated, the last one counts."""

    message_id: MessageId
    from_msisdn: Msisdn = msgspec.field(name="from")
    to_msisdn: Msisdn = msgspec.field(name="to")
    ts: Annotated[str, msgspec.Meta(pattern=RFC3339)]
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


class _Identified(msgspec.Struct, gc=False, frozen=True):
    """All that the log wants of a refused body."""

    message_id: MessageId


_decode_body = msgspec.json.Decoder(WebhookBody).decode
_decode_id = msgspec.json.Decoder(_Identified).decode
_field_of_error = re.compile(r"at `\$\.(\w+)`|missing required field `(\w+)`")
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# The backslash of an escape has an even number of others before it.
_surrogates = re.compile(
    rb"\\(?<!\\\\)(?:\\\\)*"
    rb"(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair is one character
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)

encode = msgspec.json.Encoder().encode


def decode_message(body: bytes) -> Message:
    """The message in a webhook's body.

    Raises InvalidMessage, which names the field and its rule.
    """
    try:
        return _decode(body)
    except _NOT_JSON:
        pass
    try:
        return _decode(_mend(body))
    except _NOT_JSON:
        raise InvalidMessage("the body must be valid JSON in UTF-8") from None


def _decode(body: bytes) -> Message:
    try:
        sent = _decode_body(body)
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    message_id, text = sent.message_id, sent.text
    # JSON has only one way to write U+0000. Most bodies do not hold it.
    if b"\\u0000" in body:
        if "\0" in message_id:
            raise _broken("message_id")
        text = text and text.replace("\0", REPLACEMENT)
    if message_id.isspace():
        raise _broken("message_id")
    try:
        ts = parse_instant(sent.ts)
    except ValueError:
        raise _broken("ts") from None
    return Message(message_id, sent.from_msisdn, sent.to_msisdn, ts, text, _fold_if_other(text))


def find_message_id(body: bytes) -> str | None:
    """The id in a body that `decode_message` refuses; None if it breaks its own rule."""
    try:
        message_id = _decode_id(_mend(body)).message_id
    except _NOT_JSON:
        return None
    return None if "\0" in message_id or message_id.isspace() else message_id


def _mend(body: bytes) -> bytes:
    """The body without a byte order mark, and with U+0000 for each lone surrogate.

    The decoder takes neither. The rules of the fields then decide about U+0000.
    """
    return _surrogates.sub(_replace_lone, body.removeprefix(codecs.BOM_UTF8))


def _replace_lone(found: re.Match[bytes]) -> bytes:
    return found[0] if found["lone"] is None else found[0][: -len("ud800")] + b"u0000"


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
        return InvalidMessage(f"{found[2]} is required: {RULES[found[2]]}", found[2])
    return _broken(found[1])


def _broken(field: str) -> InvalidMessage:
    return InvalidMessage(f"{field} must be {RULES[field]}", field)
