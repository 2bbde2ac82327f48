"""GET /messages: list, filter, search, page and count what arrived."""

import base64
import binascii
import hashlib
from typing import Annotated, NamedTuple

import msgspec
from starlette.types import Receive, Scope, Send

from service.api.answers import Page, encode
from service.api.asgi import send_json
from service.api.parameters import FILTERS, read, read_filter, split_query
from service.api.stream import show
from service.errors import InvalidParameter
from service.settings import whole_number
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Store

LIMIT_MAX = 100
LIMIT_DEFAULT = 50
OFFSET_MAX = 2**63 - 1 - LIMIT_MAX - 1
"""What the database's 64-bit integers leave room for."""

CURSOR_RULE = "the `next` of an earlier page with the same filters"
LIMIT_RULE = f"a whole number from 1 to {LIMIT_MAX}"

PARAMETERS = ("limit", "offset", "cursor", *FILTERS, "total")


class Query(NamedTuple):
    """What a request asks for, checked."""

    chosen: Filter
    after: Position | None
    limit: int
    offset: int
    wants_total: bool


class Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page ended, and of which walk: `filter_digest` tells another filter's cursor."""

    ts: Annotated[int, msgspec.Meta(ge=INSTANT_MIN, le=INSTANT_MAX)]
    message_id: str
    filter_digest: bytes


class Messages:
    """One page of messages, oldest first, and how many there are in all."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_query(scope["query_string"])
        # One more than the page holds tells whether there is a next one.
        wanted = (query.chosen, query.after, query.offset, query.limit + 1)
        total: int | None = None
        if query.wants_total:
            rows, total = await self._store.page_and_count(*wanted)
        else:
            rows = await self._store.page(*wanted)
        page = Page(
            data=[show(row) for row in rows[: query.limit]],
            total=total,
            limit=query.limit,
            offset=query.offset,
            next=_next_cursor(rows, query),
        )
        await send_json(send, 200, encode(page))


def parse_query(query_string: bytes) -> Query:
    """The query of `GET /messages`; raises InvalidParameter, which names the parameter."""
    given = split_query(query_string, PARAMETERS)
    if "cursor" in given and "offset" in given:
        raise InvalidParameter("cursor and offset do not go together: keep one of them")
    chosen = read_filter(given)
    return Query(
        chosen=chosen,
        after=read(
            given,
            "cursor",
            None,
            lambda text: decode_cursor(text, chosen),
            CURSOR_RULE,
        ),
        limit=read(given, "limit", LIMIT_DEFAULT, whole_number(1, LIMIT_MAX), LIMIT_RULE),
        offset=read(given, "offset", 0, whole_number(0, OFFSET_MAX), "a whole number, 0 or more"),
        wants_total=read(given, "total", True, _boolean, "true or false"),
    )


def encode_cursor(position: Position, chosen: Filter) -> str:
    """An opaque cursor that continues behind `position`."""
    cursor = Cursor(position.ts, position.message_id, _digest(chosen))
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def decode_cursor(text: str, chosen: Filter) -> Position:
    """The place that a cursor names; raises ValueError unless it was made for `chosen`."""
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


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _next_cursor(rows: list[Row], query: Query) -> str | None:
    if len(rows) <= query.limit:
        return None
    last = rows[query.limit - 1]
    return encode_cursor(Position(last.ts, last.message_id), query.chosen)
