"""What the writing connection does with a batch, in its thread and in one transaction."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import NamedTuple, TypeAlias

import msgspec

from service.messages.event import Event
from service.messages.message import Message, encode
from service.store.interface import Mended, Outcome, Row
from service.store.outcomes import (
    classify,
    classify_events,
    first_of_each,
    list_created,
    list_links,
)
from service.store.queries import SqliteQueries

Counts: TypeAlias = list[tuple[str, int, int]]

_decode_counts = msgspec.json.Decoder(Counts).decode
_decode_rows = msgspec.json.Decoder(list[Row]).decode
_decode_events = msgspec.json.Decoder(list[tuple[int, bool]]).decode


class Stored(NamedTuple):
    """What a batch has stored."""

    outcomes: list[Outcome]
    created_message_count: int
    """Those that an event brought included."""


class Writes:
    """The writes of one database. An error leaves the transaction open for the caller."""

    def __init__(self, queries: SqliteQueries) -> None:
        self._queries = queries
        self._created_at = 0

    def insert(
        self, connection: sqlite3.Connection, messages: Sequence[Message], events: Sequence[Event]
    ) -> Stored:
        """See `store.interface.Store.insert`. Messages alone are one statement."""
        if not events:
            outcomes = self._insert_messages(connection, messages)
            return Stored(outcomes, outcomes.count(Outcome.CREATED))
        connection.execute(self._queries.begin_write)
        event_outcomes = self._insert_events(connection, events)
        created = list_created(events, event_outcomes)
        counted = Counter(event.source for event in created)
        troubled = Counter(event.source for event in created if event.problem is not None)
        self.count(connection, [(name, counted[name], troubled[name]) for name in counted])
        brought = chain.from_iterable(event.messages for event in created)
        outcomes = self._insert_messages(connection, [*messages, *brought])
        self._link(connection, created)
        connection.commit()
        created_message_count = outcomes.count(Outcome.CREATED)
        return Stored(outcomes[: len(messages)] + event_outcomes, created_message_count)

    def resolve(self, connection: sqlite3.Connection, mended: Sequence[Mended]) -> Stored:
        """See `store.interface.Store.resolve`."""
        connection.execute(self._queries.begin_write)
        names = [(each.source, each.event_id) for each in mended]
        found = connection.execute(self._queries.clear_problems, {"names": _json(names)}).fetchall()
        solved = Counter(source for (source,) in found)
        self.count(connection, [(name, 0, -solved[name]) for name in solved])
        messages = [message for each in mended for message in each.messages]
        outcomes = self._insert_messages(connection, messages)
        self._link(connection, mended)
        connection.commit()
        return Stored(outcomes, outcomes.count(Outcome.CREATED))

    def measure_sources(self, connection: sqlite3.Connection) -> Counts:
        """By how much the counts of sources are wrong; what `count` must add."""
        found = connection.execute(self._queries.measure_sources).fetchone()
        return _decode_counts(found[0])

    def count(self, connection: sqlite3.Connection, counts: Counts) -> None:
        """Add to the counts of sources: (source, events, problems)."""
        if counts:
            connection.execute(self._queries.count_events, {"counts": _json(counts)})

    def _insert_messages(
        self, connection: sqlite3.Connection, messages: Sequence[Message]
    ) -> list[Outcome]:
        first = first_of_each(messages)
        created_at = self._next_created_at()
        batch = {"batch": _json(list(first.values())), "created_at": created_at}
        created_count = connection.execute(self._queries.insert_messages, batch).rowcount
        if created_count == len(messages):
            return [Outcome.CREATED] * created_count
        ids = {"message_ids": _json(list(first)), "created_at": created_at}
        found = connection.execute(self._queries.find_messages, ids).fetchone()
        return classify(messages, first, created_count, _decode_rows(found[0]))

    def _insert_events(
        self, connection: sqlite3.Connection, events: Sequence[Event]
    ) -> list[Outcome]:
        last_seq = connection.execute(self._queries.read_last_event_seq).fetchone()[0]
        starts = accumulate((len(event.body) for event in events), initial=1)
        batch = {
            "batch": _json(list(map(_row, events, starts))),
            "bodies": b"".join(event.body for event in events),
            "last_seq": last_seq,
        }
        created_count = connection.execute(self._queries.insert_events, batch).rowcount
        if created_count == len(events):
            return [Outcome.CREATED] * created_count
        found = connection.execute(self._queries.find_events, batch).fetchone()
        return classify_events(events, created_count, dict(_decode_events(found[0])))

    def _link(self, connection: sqlite3.Connection, found: Iterable[Event | Mended]) -> None:
        if links := list_links(found):
            connection.execute(self._queries.link_messages, {"links": _json(links)})

    def _next_created_at(self) -> int:
        """The clock's instant, but later than that of the last batch: it marks the batch."""
        self._created_at = max(time.time_ns() // 1_000, self._created_at + 1)
        return self._created_at


def _row(event: Event, start: int) -> tuple[str | int | None, ...]:
    """The event as insert_events.sql takes it."""
    return (
        event.source,
        event.event_id,
        event.type,
        event.received_at,
        event.headers,
        event.content_type,
        event.problem,
        start,
        len(event.body),
    )


def _json(value: object) -> str:
    return encode(value).decode()
