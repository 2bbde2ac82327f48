"""What a connection does with a batch: messages alone, or events alone, are one statement."""

from collections.abc import Sequence
from typing import Any

import msgspec

from service.messages.event import Event
from service.messages.message import Message
from service.store.interface import Mended, Outcome, Row
from service.store.outcomes import (
    classify,
    classify_events,
    first_of_each,
    list_created,
    list_links,
)
from service.store.postgres.connection import Connection
from service.store.postgres.server import Server
from service.store.queries import PostgresQueries

COLUMNS = ("message_ids", "from_msisdns", "to_msisdns", "instants", "texts", "folded_texts")
"""The parameters of insert_messages.sql, in the order of a Message's fields."""


class Writes:
    """The writes of one connection."""

    def __init__(self, connection: Connection, queries: PostgresQueries, server: Server) -> None:
        self._connection = connection
        self._queries = queries
        self._server = server

    async def insert(self, messages: Sequence[Message], events: Sequence[Event]) -> list[Outcome]:
        """See `store.interface.Store.insert`."""
        if not events:
            return await self._insert_messages(messages)
        if not messages and not any(event.messages or event.message_ids for event in events):
            return await self._insert_events(events)
        async with self._connection.transaction():
            event_outcomes = await self._insert_events(events)
            created = list_created(events, event_outcomes)
            brought = [message for event in created for message in event.messages]
            outcomes = await self._insert_messages([*messages, *brought])
            await self._link(list_links(created))
        return outcomes[: len(messages)] + event_outcomes

    async def resolve(self, mended: Sequence[Mended]) -> list[Outcome]:
        """See `store.interface.Store.resolve`."""
        names = {
            "sources": [each.source for each in mended],
            "event_ids": [each.event_id for each in mended],
        }
        async with self._connection.transaction():
            await self._connection.fetch(self._queries.clear_problems, names)
            messages = [message for each in mended for message in each.messages]
            outcomes = await self._insert_messages(messages)
            await self._link(list_links(mended))
        return outcomes

    async def _insert_messages(self, messages: Sequence[Message]) -> list[Outcome]:
        first = first_of_each(messages)
        if not first:
            return []
        columns = zip(*map(msgspec.structs.astuple, first.values()), strict=True)
        batch = dict(zip(COLUMNS, columns, strict=True))
        (result,) = await self._connection.fetch(self._queries.insert_messages, batch)
        self._server.require_durability(result)
        duplicates = result["message_ids"]
        if not duplicates and len(first) == len(messages):
            return [Outcome.CREATED] * len(messages)
        ids = {"message_ids": duplicates}
        stored = (
            await self._connection.fetch(self._queries.find_messages, ids) if duplicates else []
        )
        created_count = len(first) - len(duplicates)
        return classify(messages, first, created_count, [Row(*row) for row in stored])

    async def _insert_events(self, events: Sequence[Event]) -> list[Outcome]:
        batch = list_columns(events)
        (result,) = await self._connection.fetch(self._queries.insert_events, batch)
        self._server.require_durability(result)
        stored: dict[int, bool] = {}
        if places := result["places"]:
            duplicates = list_columns([events[place] for place in places]) | {"places": places}
            stored = dict(await self._connection.fetch(self._queries.find_events, duplicates))
        return classify_events(events, result["created_count"], stored)

    async def _link(self, links: list[tuple[str, str, str]]) -> None:
        if links:
            columns = zip(*links, strict=True)
            names = ("message_ids", "sources", "event_ids")
            await self._connection.fetch(
                self._queries.link_messages, dict(zip(names, columns, strict=True))
            )


def list_columns(events: Sequence[Event]) -> dict[str, list[Any]]:
    """The parameters of insert_events.sql."""
    return {
        "sources": [event.source for event in events],
        "event_ids": [event.event_id for event in events],
        "types": [event.type for event in events],
        "instants": [event.received_at for event in events],
        "headers": [event.headers for event in events],
        "content_types": [event.content_type for event in events],
        "problems": [event.problem for event in events],
        "bodies": [event.body for event in events],
    }
