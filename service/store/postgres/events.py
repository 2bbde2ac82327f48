"""Reads events on PostgreSQL."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.store.event_pages import choose_query, count_fitting, event_parameters
from service.store.interface import (
    EventFilter,
    EventPage,
    EventPosition,
    EventRow,
    SourceTotals,
)
from service.store.postgres.connection import Connection
from service.store.queries import PostgresQueries

T = TypeVar("T")


class EventReader:
    """The part of a `store.interface.Reader` that is about events."""

    _queries: PostgresQueries

    async def _run_read(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Call `read` with a connection that reads, inside a time limit."""
        raise NotImplementedError

    async def events(
        self, chosen: EventFilter, after: EventPosition | None, limit: int, bytes_max: int
    ) -> EventPage:
        """See `store.interface.Reader.events`."""
        sql = choose_query(self._queries, chosen)
        parameters = event_parameters(chosen, after, limit)

        async def read(connection: Connection) -> EventPage:
            async with connection.snapshot():
                found = await connection.fetch(sql, parameters)
                count = count_fitting([row["size"] for row in found], limit, bytes_max)
                names = [(row["source"], row["event_id"]) for row in found[:count]]
                rows = await self._read_rows(connection, names)
            rows.sort(key=lambda row: row.position, reverse=chosen.is_descending)
            return EventPage(rows, len(found) > count)

        return await self._run_read(read)

    async def event(self, source: str, event_id: str) -> EventRow | None:
        """See `store.interface.Reader.event`."""
        rows = await self._run_read(lambda raw: self._read_rows(raw, [(source, event_id)]))
        return rows[0] if rows else None

    async def event_of_message(self, message_id: str) -> tuple[str, str] | None:
        """See `store.interface.Reader.event_of_message`."""
        sql, message = self._queries.event_of_message, {"message_id": message_id}
        rows = await self._run_read(lambda connection: connection.fetch(sql, message))
        return (rows[0]["source"], rows[0]["event_id"]) if rows else None

    async def source_totals(self) -> list[SourceTotals]:
        """See `store.interface.Reader.source_totals`."""
        sql = self._queries.total_of_sources
        rows = await self._run_read(lambda connection: connection.fetch(sql))
        return [SourceTotals(*row) for row in rows]

    async def _read_rows(
        self, connection: Connection, names: list[tuple[str, str]]
    ) -> list[EventRow]:
        columns = {
            "sources": [source for source, _ in names],
            "event_ids": [event_id for _, event_id in names],
        }
        rows = await connection.fetch(self._queries.read_events, columns)
        return [
            EventRow(*row)._replace(message_ids=tuple(sorted(row["message_ids"]))) for row in rows
        ]
