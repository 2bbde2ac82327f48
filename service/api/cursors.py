"""Cursors: opaque text that names the place in a walk where a page ended."""

import base64
import hashlib
from typing import Annotated, TypeVar

import msgspec

from service.store.interface import (
    INSTANT_MAX,
    INSTANT_MIN,
    EventFilter,
    EventPosition,
    Filter,
    Position,
)

CURSOR_RULE = "the `next` of an earlier page with the same filters and order"


Instant = Annotated[int, msgspec.Meta(ge=INSTANT_MIN, le=INSTANT_MAX)]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[^\0]*\Z")]


class Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last message of a page. A cursor of other filters has another `filter_digest`."""

    ts: Instant
    message_id: Name
    filter_digest: bytes


class EventCursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last event of a page, likewise."""

    received_at: Instant
    source: Name
    event_id: Name
    filter_digest: bytes


AnyCursor = TypeVar("AnyCursor", Cursor, EventCursor)


def encode_cursor(position: Position, chosen: Filter) -> str:
    """A cursor that continues after `position`."""
    return _pack(Cursor(*position, _digest(chosen)))


def decode_cursor(text: str, chosen: Filter) -> Position:
    """The position that a cursor names. Raises ValueError unless it was made for `chosen`."""
    cursor = _unpack(text, Cursor, chosen)
    return Position(cursor.ts, cursor.message_id)


def encode_event_cursor(position: EventPosition, chosen: EventFilter) -> str:
    """A cursor that continues after `position`."""
    return _pack(EventCursor(*position, _digest(chosen)))


def decode_event_cursor(text: str, chosen: EventFilter) -> EventPosition:
    """The position that a cursor names. Raises ValueError unless it was made for `chosen`."""
    cursor = _unpack(text, EventCursor, chosen)
    return EventPosition(cursor.received_at, cursor.source, cursor.event_id)


def _pack(cursor: Cursor | EventCursor) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def _unpack(text: str, kind: type[AnyCursor], chosen: Filter | EventFilter) -> AnyCursor:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(packed, type=kind)
    except (ValueError, RecursionError) as error:
        raise ValueError from error
    if cursor.filter_digest != _digest(chosen):
        raise ValueError
    return cursor


def _digest(chosen: Filter | EventFilter) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(chosen), digest_size=8).digest()
