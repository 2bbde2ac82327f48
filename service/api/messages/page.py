"""GET /messages: list, filter, search, page and count."""

from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from service.api.answers import Page, encode, send_json, show
from service.api.cursors import CURSOR_RULE, decode_cursor, encode_cursor
from service.api.parameters import (
    FILTERS,
    LIMIT_MAX,
    boolean,
    read,
    read_filter,
    read_is_descending,
    read_limit,
    split_query,
)
from service.errors import InvalidParameter
from service.store.interface import Filter, Position, Row, Store
from service.variables import whole_number

OFFSET_MAX = 2**63 - 1 - LIMIT_MAX - 1
"""The database adds a page to it, in 64 bits."""

PARAMETERS = ("limit", "offset", "cursor", "order", *FILTERS, "total")


class Query(NamedTuple):
    """What a request asks for."""

    chosen: Filter
    after: Position | None
    limit: int
    offset: int
    wants_total: bool


class Messages:
    """Answers one page of messages in their order, and how many messages match."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_query(scope["query_string"])
        # One row more than the page holds tells whether there is a next page.
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
    """The query of `GET /messages`. Raises InvalidParameter, which names the parameter."""
    given = split_query(query_string, PARAMETERS)
    if "cursor" in given and "offset" in given:
        raise InvalidParameter("cursor and offset do not go together: keep one of them")
    chosen = read_filter(given)._replace(is_descending=read_is_descending(given))
    return Query(
        chosen=chosen,
        after=read(given, "cursor", None, lambda text: decode_cursor(text, chosen), CURSOR_RULE),
        limit=read_limit(given),
        offset=read(given, "offset", 0, whole_number(0, OFFSET_MAX), "a whole number, 0 or more"),
        wants_total=read(given, "total", True, boolean, "true or false"),
    )


def _next_cursor(rows: list[Row], query: Query) -> str | None:
    if len(rows) <= query.limit:
        return None
    last = rows[query.limit - 1]
    return encode_cursor(Position(last.ts, last.message_id), query.chosen)
