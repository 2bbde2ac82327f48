"""GET /messages: list, filter, search, page and count what arrived."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from service.asgi import send_json
from service.errors import InvalidParameter
from service.schemas import (
    E164,
    E164_RULE,
    RFC3339_RULE,
    RFC3339_UTC,
    TEXT_CHARACTERS_MAX,
    Page,
    StoredMessage,
    encode,
    fold,
    format_instant,
    parse_instant,
)
from service.store.port import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Store

T = TypeVar("T")

LIMIT_MAX = 100
LIMIT_DEFAULT = 50
OFFSET_MAX = 2**63 - 1 - LIMIT_MAX - 1
"""What the database's 64-bit integers leave room for."""

_stray_percent_sign = re.compile(rb"%(?![0-9A-Fa-f]{2})")

PARAMETERS = ("limit", "offset", "cursor", "from", "to", "since", "until", "q", "total")


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
            data=[_show(row) for row in rows[: query.limit]],
            total=total,
            limit=query.limit,
            offset=query.offset,
            next=_next_cursor(rows, query),
        )
        await send_json(send, 200, encode(page))


def parse_query(query_string: bytes) -> Query:
    """The query of `GET /messages`; raises InvalidParameter, which names the parameter."""
    given = _parameters(query_string)
    if "cursor" in given and "offset" in given:
        raise InvalidParameter("cursor and offset do not go together: keep one of them")
    chosen = Filter(
        from_msisdn=_read(given, "from", None, _number_of_phone, E164_RULE),
        to_msisdn=_read(given, "to", None, _number_of_phone, E164_RULE),
        since=_read(given, "since", INSTANT_MIN, _instant, RFC3339_RULE),
        until=_read(given, "until", INSTANT_MAX, _instant, RFC3339_RULE),
        q_folded=_read(given, "q", "", _search, "1 to 4,096 characters, none of them U+0000"),
    )
    return Query(
        chosen=chosen,
        after=_read(
            given,
            "cursor",
            None,
            lambda text: decode_cursor(text, chosen),
            "the `next` of an earlier page with the same filters",
        ),
        limit=_read(
            given,
            "limit",
            LIMIT_DEFAULT,
            _whole_number(1, LIMIT_MAX),
            "a whole number from 1 to 100",
        ),
        offset=_read(given, "offset", 0, _whole_number(0, OFFSET_MAX), "a whole number, 0 or more"),
        wants_total=_read(given, "total", True, _boolean, "true or false"),
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


def _parameters(query_string: bytes) -> dict[str, str]:
    try:
        # parse_qsl would take a % that escapes nothing for itself: another search than was meant.
        if _stray_percent_sign.search(query_string):
            raise ValueError
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidParameter(
            "the query string must be percent-encoded UTF-8 (a % is written %25)"
        ) from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise InvalidParameter(f"there are no parameters but {', '.join(PARAMETERS)}")
        if name in given:
            raise InvalidParameter(f"{name} must not be given twice")
        given[name] = value
    return given


def _read(
    given: Mapping[str, str], name: str, default: T, parse: Callable[[str], T], takes: str
) -> T:
    if name not in given:
        return default
    try:
        return parse(given[name])
    except ValueError:
        raise InvalidParameter(f"{name} must be {takes}") from None


def _number_of_phone(text: str) -> str:
    # In a query string an unescaped + means a space.
    number = "+" + text[1:] if text.startswith(" ") else text
    if not re.match(E164, number):
        raise ValueError
    return number


def _instant(text: str) -> int:
    if not re.match(RFC3339_UTC, text):
        raise ValueError
    return parse_instant(text)


def _search(text: str) -> str:
    if not 1 <= len(text) <= TEXT_CHARACTERS_MAX or "\0" in text:
        raise ValueError
    return fold(text)


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return parse


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _show(row: Row) -> StoredMessage:
    return StoredMessage(
        row.message_id, row.from_msisdn, row.to_msisdn, format_instant(row.ts), row.text
    )


def _next_cursor(rows: list[Row], query: Query) -> str | None:
    if len(rows) <= query.limit:
        return None
    last = rows[query.limit - 1]
    return encode_cursor(Position(last.ts, last.message_id), query.chosen)
