"""Cursors: opaque text that names the place in a walk where a page ended."""

import base64
import binascii
import hashlib
from typing import Annotated

import msgspec

from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position

CURSOR_RULE = "the `next` of an earlier page with the same filters and order"


class Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last message of a page. A cursor of other filters has another `filter_digest`."""

    ts: Annotated[int, msgspec.Meta(ge=INSTANT_MIN, le=INSTANT_MAX)]
    message_id: str
    filter_digest: bytes


def encode_cursor(position: Position, chosen: Filter) -> str:
    """A cursor that continues after `position`."""
    cursor = Cursor(position.ts, position.message_id, _digest(chosen))
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def decode_cursor(text: str, chosen: Filter) -> Position:
    """The position that a cursor names. Raises ValueError unless it was made for `chosen`."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(packed, type=Cursor)
    except (binascii.Error, msgspec.DecodeError, RecursionError) as error:
        raise ValueError from error
    if cursor.filter_digest != _digest(chosen):
        raise ValueError
    return Position(cursor.ts, cursor.message_id)


def _digest(chosen: Filter) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(chosen), digest_size=8).digest()
