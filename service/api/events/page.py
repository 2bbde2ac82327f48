"""GET /events: list and filter the requests of all sources, as they came."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from service.api.answers import JSON, PageOfEvents, encode
from service.api.cursors import CURSOR_RULE, decode_event_cursor, encode_event_cursor
from service.api.events.one_event import show_event
from service.api.large_answers import LargeAnswers
from service.api.parameters import (
    boolean,
    parse_text,
    read,
    read_is_descending,
    read_limit,
    read_range,
    split_query,
)
from service.messages.event import NAME_CHARACTERS_MAX
from service.store.interface import EventFilter, EventPage, EventPosition, Reader

BODY_BYTES_MAX = 4 * 2**20
"""Of a page. A page of one event may have more."""

NAME_RULE = f"1 to {NAME_CHARACTERS_MAX} characters in UTF-8, none of them U+0000"

EVENT_FILTERS = ("source", "type", "problem", "since", "until")
PARAMETERS = ("limit", "cursor", "order", *EVENT_FILTERS)


class Query(NamedTuple):
    """What a request asks for."""

    chosen: EventFilter
    after: EventPosition | None
    limit: int


class Events:
    """Answers one page of events in their order."""

    def __init__(self, store: Reader, answers: LargeAnswers) -> None:
        self._store = store
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_query(scope["query_string"])
        page = await self._store.events(*query, BODY_BYTES_MAX)
        # In a thread, so that webhooks are served meanwhile.
        body = await asyncio.to_thread(_encode, page, query.chosen)
        await self._answers.send(send, body, [JSON])


def parse_query(query_string: bytes) -> Query:
    """The query of `GET /events`. Raises InvalidParameter, which names the parameter."""
    given = split_query(query_string, PARAMETERS)
    chosen = read_event_filter(given)._replace(is_descending=read_is_descending(given))
    after = read(given, "cursor", None, lambda text: decode_event_cursor(text, chosen), CURSOR_RULE)
    return Query(chosen, after, read_limit(given))


def read_event_filter(given: Mapping[str, str]) -> EventFilter:
    """The filter that the parameters EVENT_FILTERS make; the command `export` has the same.

    Raises InvalidParameter, which names the parameter and its rule.
    """
    since, until = read_range(given)
    return EventFilter(
        source=read(given, "source", None, _name, NAME_RULE),
        type=read(given, "type", None, _name, NAME_RULE),
        has_problem=read(given, "problem", None, boolean, "true or false"),
        since=since,
        until=until,
    )


def _name(text: str) -> str:
    return parse_text(text, NAME_CHARACTERS_MAX)


def _encode(page: EventPage, chosen: EventFilter) -> bytes:
    last = page.rows[-1].position if page.has_more else None
    following = None if last is None else encode_event_cursor(last, chosen)
    return encode(PageOfEvents([show_event(row) for row in page.rows], following))
