"""The messages in what messaging providers send.

Only a body that cannot be read, or a message that breaks a rule, is a problem. All else is an event
and no message: a status, a call, a callback of any other kind. A text that is not there, as where
somebody sends a photo, is null: the photo stays in the event.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from service.errors import InvalidMessage
from service.messages.instants import RFC3339, parse_instant
from service.messages.message import STORED_RULES, Message, decode_json, make_message
from service.sources.fields import read_form
from service.sources.source import Source

_not_digits = re.compile(r"[^0-9]+")
_is_number = re.compile(r"\A[0-9]+\Z").match
_is_unix_seconds = re.compile(r"\A[0-9]{1,11}\Z").match
_is_rfc3339 = re.compile(RFC3339).match

Build = Callable[[], Message]
"""Makes one message. Raises InvalidMessage, which names the field and its rule."""


def extract(
    source: Source, body: bytes, received_at: int
) -> tuple[tuple[Message, ...], str | None]:
    """The messages that a body brings, and the problem of those that it does not.

    `received_at`: microseconds since 1970. No body raises anything.
    """
    find = _PROVIDERS.get(source.scheme.messages or "")
    if find is None:
        return (), None
    messages: list[Message] = []
    problems: list[str] = []
    try:
        found = list(find(body, received_at))
    except InvalidMessage as error:
        return (), str(error)
    for number, build in enumerate(found, 1):
        try:
            messages.append(build())
        except InvalidMessage as error:
            place = f"message {number} of {len(found)}: " if len(found) > 1 else ""
            problems.append(f"{place}{error}")
    return tuple(messages), _summarize(problems)


def _summarize(problems: Sequence[str]) -> str | None:
    if len(problems) < 2:
        return "".join(problems) or None
    return f"{problems[0]} (and {len(problems) - 1:,} more)"


def _find_twilio(body: bytes, received_at: int) -> Iterator[Build]:
    """twilio.com/docs/messaging/guides/webhook-request

    A status callback has the fields of a message as well. Its status tells it from one.
    """
    try:
        fields = dict(reversed(read_form(body)))  # the first of each name counts
    except ValueError:
        return  # more fields than a form has: JSON, which the URL signs
    status = fields.get(b"MessageStatus", fields.get(b"SmsStatus", b"received"))
    if b"MessageSid" in fields and status in (b"received", b"receiving"):
        yield partial(
            make_message,
            _decode(fields[b"MessageSid"]),
            _decode(fields.get(b"From", b"")).removeprefix("whatsapp:"),
            _decode(fields.get(b"To", b"")).removeprefix("whatsapp:"),
            received_at,
            _decode(fields.get(b"Body", b"")) or None,
        )


def _find_whatsapp(body: bytes, _received_at: int) -> Iterator[Build]:
    """developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference"""
    for entry in _list(decode_json(body), "entry"):
        for change in _list(entry, "changes"):
            value = _get(change, "value")
            for sent in _list(value, "messages"):
                yield partial(_build_whatsapp, sent, _get(value, "metadata"))


def _build_whatsapp(sent: Any, metadata: Any) -> Message:
    """A sender whose number is hidden has an empty `from`, or none, and a user id."""
    recipient = _get(metadata, "display_phone_number")
    return make_message(
        _get(sent, "id"),
        _add_plus(_get(sent, "from") or _get(sent, "from_user_id")),
        _add_plus(_not_digits.sub("", recipient) if isinstance(recipient, str) else recipient),
        _read_seconds(_get(sent, "timestamp")),
        _get(_get(sent, "text"), "body") if _get(sent, "type") == "text" else None,
    )


def _find_telnyx(body: bytes, _received_at: int) -> Iterator[Build]:
    """developers.telnyx.com/api-reference/callbacks/inbound-message"""
    event = _get(decode_json(body), "data")
    if _get(event, "event_type") == "message.received":
        yield partial(_build_telnyx, _get(event, "payload"))


def _build_telnyx(sent: Any) -> Message:
    recipients = _list(sent, "to")
    text = _get(sent, "text")
    return make_message(
        _get(sent, "id"),
        _get(_get(sent, "from"), "phone_number"),
        _get(recipients[0], "phone_number") if recipients else None,
        _read_rfc3339(_get(sent, "received_at")),
        None if text == "" else text,
    )


_PROVIDERS: Mapping[str, Callable[[bytes, int], Iterator[Build]]] = {
    "twilio": _find_twilio,
    "whatsapp": _find_whatsapp,
    "telnyx": _find_telnyx,
}


def _get(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None


def _list(node: Any, key: str) -> Sequence[Any]:
    found = _get(node, key)
    return found if isinstance(found, list) else ()


def _decode(value: bytes) -> str:
    """A byte that is no UTF-8 becomes a lone surrogate, for which the rules of the fields know."""
    return value.decode(errors="surrogateescape")


def _add_plus(address: Any) -> Any:
    return f"+{address}" if isinstance(address, str) and _is_number(address) else address


def _read_seconds(text: Any) -> int:
    if not isinstance(text, str) or not _is_unix_seconds(text):
        raise InvalidMessage("ts must be the digits of seconds since 1970", "ts")
    return int(text) * 1_000_000


def _read_rfc3339(text: Any) -> int:
    try:
        return parse_instant(text if isinstance(text, str) and _is_rfc3339(text) else "")
    except ValueError:
        raise InvalidMessage(f"ts must be {STORED_RULES['ts']}", "ts") from None
