"""A message: the rules of its fields, and how a webhook's body becomes one."""

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from service.errors import InvalidMessage
from service.messages.addresses import ADDRESS, ADDRESS_RULE, E164, E164_RULE, is_address
from service.messages.instants import RFC3339, RFC3339_RULE, parse_instant
from service.messages.text import fold_if_other

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

STORED_RULES = RULES | {"from": ADDRESS_RULE, "to": ADDRESS_RULE}
"""What each field of a stored message is: messaging providers have other addresses as well."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What a text gets for U+0000 and for a lone surrogate, which databases cannot store."""

MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=MESSAGE_ID_CHARACTERS_MAX)]
Msisdn = Annotated[str, msgspec.Meta(pattern=E164)]
Address = Annotated[str, msgspec.Meta(pattern=ADDRESS)]


class WebhookBody(msgspec.Struct, gc=False, frozen=True):
    """A webhook's body. Unknown fields are ignored. If a field is repeated, the last one counts."""

    message_id: MessageId
    from_msisdn: Msisdn = msgspec.field(name="from")
    to_msisdn: Msisdn = msgspec.field(name="to")
    ts: Annotated[str, msgspec.Meta(pattern=RFC3339)]
    text: Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)] | None = None


class StoredBody(WebhookBody, gc=False, frozen=True, kw_only=True):
    """A stored message, as an export writes it."""

    from_msisdn: Address = msgspec.field(name="from")
    to_msisdn: Address = msgspec.field(name="to")


class Message(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """A valid message, as the store takes it. `insert_messages.sql` reads it by position."""

    message_id: str
    from_msisdn: str
    to_msisdn: str
    ts: int
    text: str | None
    folded_text: str | None
    """`fold(text)` if it differs from the text, else None."""


class _Identified(msgspec.Struct, gc=False, frozen=True):
    """All that the log wants of a refused body."""

    message_id: MessageId


class _Form(NamedTuple):
    """How a message is written."""

    decode: Callable[[bytes], WebhookBody]
    rules: Mapping[str, str]


_WEBHOOK = _Form(msgspec.json.Decoder(WebhookBody).decode, RULES)
_STORED = _Form(msgspec.json.Decoder(StoredBody).decode, STORED_RULES)
_decode_id = msgspec.json.Decoder(_Identified).decode
_field_of_error = re.compile(r"at `\$\.(\w+)|missing required field `(\w+)`")
_unstorable = re.compile("[\0\ud800-\udfff]")
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
    return _decode_or_mend(body, _WEBHOOK)


def decode_stored_message(line: bytes) -> Message:
    """The message in a line of an export, which a messaging provider may have sent.

    Raises InvalidMessage, which names the field and its rule.
    """
    return _decode_or_mend(line, _STORED)


def make_message(message_id: Any, sender: Any, recipient: Any, ts: int, text: Any) -> Message:
    """A message of a messaging provider, from what stands where its fields should be.

    Raises InvalidMessage, which names the field and its rule.
    """
    if not isinstance(message_id, str) or not is_message_id(message_id):
        raise broken("message_id", STORED_RULES)
    for field, address in (("from", sender), ("to", recipient)):
        if not isinstance(address, str) or not is_address(address):
            raise broken(field, STORED_RULES)
    if text is not None:
        if not isinstance(text, str) or len(text) > TEXT_CHARACTERS_MAX:
            raise broken("text", STORED_RULES)
        text = clean(text)
    return Message(message_id, sender, recipient, ts, text, fold_if_other(text))


def clean(text: str) -> str:
    """`text` with U+FFFD for U+0000 and for each lone surrogate."""
    return _unstorable.sub(REPLACEMENT, text)


def is_message_id(text: str) -> bool:
    """Whether a text can be a message's id."""
    return (
        1 <= len(text) <= MESSAGE_ID_CHARACTERS_MAX
        and not text.isspace()
        and _unstorable.search(text) is None
    )


def decode_json(body: bytes) -> Any:
    """The JSON in a body, with U+0000 for each lone surrogate.

    Raises InvalidMessage if it is no JSON in UTF-8, or nested too deep.
    """
    try:
        return msgspec.json.decode(mend(body))
    except _NOT_JSON:
        raise not_json() from None


def _decode_or_mend(body: bytes, form: _Form) -> Message:
    try:
        return _decode(body, form)
    except _NOT_JSON:
        pass
    try:
        return _decode(mend(body), form)
    except _NOT_JSON:
        raise not_json() from None


def _decode(body: bytes, form: _Form) -> Message:
    try:
        sent = form.decode(body)
    except msgspec.ValidationError as error:
        raise explain(error, form.rules) from None
    message_id, text = sent.message_id, sent.text
    # JSON has only one way to write U+0000. Most bodies do not hold it.
    if b"\\u0000" in body:
        if "\0" in message_id:
            raise broken("message_id", form.rules)
        text = text and text.replace("\0", REPLACEMENT)
    if message_id.isspace():
        raise broken("message_id", form.rules)
    try:
        ts = parse_instant(sent.ts)
    except ValueError:
        raise broken("ts", form.rules) from None
    return Message(message_id, sent.from_msisdn, sent.to_msisdn, ts, text, fold_if_other(text))


def find_message_id(body: bytes) -> str | None:
    """The id in a body that `decode_message` refuses; None if it breaks its own rule."""
    try:
        message_id = _decode_id(mend(body)).message_id
    except _NOT_JSON:
        return None
    return message_id if is_message_id(message_id) else None


def mend(body: bytes) -> bytes:
    """The body without a byte order mark, and with U+0000 for each lone surrogate.

    The decoder takes neither. The rules of the fields then decide about U+0000.
    """
    return _surrogates.sub(_replace_lone, body.removeprefix(codecs.BOM_UTF8))


def _replace_lone(found: re.Match[bytes]) -> bytes:
    return found[0] if found["lone"] is None else found[0][: -len("ud800")] + b"u0000"


def explain(error: msgspec.ValidationError, rules: Mapping[str, str]) -> InvalidMessage:
    """What a decoder's error says, with the rule of the field that it names."""
    found = _field_of_error.search(str(error))
    if found is None:
        return InvalidMessage("the body must be a JSON object")
    if found[2]:
        return InvalidMessage(f"{found[2]} is required: {rules[found[2]]}", found[2])
    return broken(found[1], rules)


def broken(field: str, rules: Mapping[str, str]) -> InvalidMessage:
    """A field that breaks its rule."""
    return InvalidMessage(f"{field} must be {rules[field]}", field)


def not_json() -> InvalidMessage:
    """A body, or a line, that no decoder reads."""
    return InvalidMessage("the body must be valid JSON in UTF-8")
