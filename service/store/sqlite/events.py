"""Reads events: the same on the connections of the store and on that of an export."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import msgspec

from service.messages.message import encode
from service.store.event_pages import choose_query, count_fitting, event_parameters
from service.store.interface import (
    EventFilter,
    EventPage,
    EventPosition,
    EventRow,
    SourceTotals,
)
from service.store.queries import SqliteQueries

T = TypeVar("T")

_decode_ids = msgspec.json.Decoder(list[str]).decode


class EventReader:
    """The part of a `store.interface.Reader` that is about events."""

    _queries: SqliteQueries

    async def _run_read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Call `read` with a connection that reads, inside a time limit."""
        raise NotImplementedError

    async def events(
        self, chosen: EventFilter, after: EventPosition | None, limit: int, bytes_max: int
    ) -> EventPage:
        """See `store.interface.Reader.events`."""
        sql = choose_query(self._queries, chosen)
        parameters = event_parameters(chosen, after, limit)

        def read(connection: sqlite3.Connection) -> EventPage:
            connection.execute(self._queries.begin_read)
            found = connection.execute(sql, parameters).fetchall()
            count = count_fitting([size for *_, size in found], limit, bytes_max)
            rows = self._read_rows(
                connection, [(source, name) for _, source, name, _ in found[:count]]
            )
            connection.commit()
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
        found: tuple[str, str] | None = await self._run_read(
            lambda raw: raw.execute(sql, message).fetchone()
        )
        return found

    async def source_totals(self) -> list[SourceTotals]:
        """See `store.interface.Reader.source_totals`."""
        sql = self._queries.total_of_sources
        rows = await self._run_read(lambda raw: raw.execute(sql).fetchall())
        return [SourceTotals(*row) for row in rows]

    def _read_rows(
        self, connection: sqlite3.Connection, names: list[tuple[str, str]]
    ) -> list[EventRow]:
        batch = {"names": encode(names).decode()}
        rows = connection.execute(self._queries.read_events, batch).fetchall()
        return [
            EventRow(*row)._replace(message_ids=tuple(sorted(_decode_ids(row[-1])))) for row in rows
        ]
