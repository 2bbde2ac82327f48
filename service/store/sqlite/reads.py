"""Which query answers a read: a filter can be served from several sides, and one is the shortest.

Every function runs in the thread of a read connection, inside one snapshot (but see
`Reads._pieces`).
"""

import sqlite3
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from service.messages.message import encode
from service.store.access_paths import (
    FEW_MESSAGES,
    PART_CHARACTERS,
    READS_IN_A_ROW,
    least,
    page_and_count_of,
    page_parameters,
)
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Totals
from service.store.queries import SqliteQueries

Parameters = dict[str, Any]

COPIED_MESSAGES = 50_000
"""So many of the tail, at most, a connection keeps a copy of: 4 MiB."""

COUNTED_IN_PIECES = ("by_scan", "by_text")
"""The counts that look at any number of messages, whatever the filter."""

PIECE_MESSAGES = 50_000
"""Some 50 ms of what looks at any number of messages."""


class Reads:
    """Reads one snapshot: that of the index first, so that the messages hold all that it has.

    It begins the snapshot; who made it commits, and so keeps what was copied of the tail.
    """

    def __init__(
        self, connection: sqlite3.Connection, queries: SqliteQueries, chosen: Filter
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._chosen = chosen
        self._parameters: Parameters = {
            "from_msisdn": chosen.from_msisdn,
            "to_msisdn": chosen.to_msisdn,
            "since": chosen.since,
            "until": chosen.until,
            "q": chosen.q_folded,
            "match": match_parts(chosen.q_folded),
        }
        self._begin()

    def page(self, after: Position | None, offset: int, limit: int) -> list[Row]:
        """See `store.port.Store.page`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = self._find_few(place)
        return self._page(place) if found is None else found[0]

    def page_and_count(
        self, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.port.Store.page_and_count`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = self._find_few(place)
        return (self._page(place), self._count()) if found is None else found

    def totals(self) -> Totals:
        """See `store.port.Store.totals`."""
        counts = self._connection.execute(self._queries.read_totals, self._parameters).fetchone()
        messages, senders, first_ts, last_ts = counts
        top = self._connection.execute(self._queries.top_senders, self._parameters).fetchall()
        return Totals(messages, senders, first_ts, last_ts, top)

    def _begin(self) -> None:
        """Begin the snapshot. What the last read left of the tail is brought up to it, and left to
        the next when this one commits. (The index never goes back while a connection has it open.)
        """
        execute, queries = self._connection.execute, self._queries
        execute(queries.begin_read)
        indexed_seq = execute(queries.read_indexed).fetchone()[0]
        self._parameters["indexed_seq"] = indexed_seq
        self._parameters["copied_seq"] = indexed_seq + COPIED_MESSAGES
        self._stored_seq, kept_seq = execute(queries.measure_tail).fetchone()
        if kept_seq:
            execute(queries.trim_tail_copy, self._parameters)
        if self._stored_seq > max(indexed_seq, kept_seq):
            execute(queries.copy_tail, self._parameters)

    def _find_few(self, place: Parameters) -> tuple[list[Row], int] | None:
        """The page and the count, where few have the text; None where another way is shorter."""
        if self._parameters["match"]:
            few = {"candidates_max": min([FEW_MESSAGES, *self._sides.values()])}
            return page_and_count_of(self._fetch(self._queries.page_by_text, place | few))
        if least(self._sides) == "by_scan" and (seqs := self._scan()) is not None:
            found = {"found": encode(seqs).decode()}
            return page_and_count_of(self._fetch(self._queries.page_of_found, place | found))
        return None

    def _scan(self) -> list[int] | None:
        """Which messages have the text; None where more than a few have."""
        found: list[int] = []
        for piece in self._pieces():
            limit = {"limit": FEW_MESSAGES + 1 - len(found)}
            found += [seq for (seq,) in self._fetch(self._queries.find_by_scan, piece | limit)]
            if len(found) > FEW_MESSAGES:
                return None
        return found

    def _page(self, place: Parameters) -> list[Row]:
        sides = {name: size for name, size in self._sides.items() if name != "by_scan"}
        sql = getattr(self._queries, "page_" + least(sides))
        return [Row(*row) for row in self._fetch(sql, place)]

    def _count(self) -> int:
        chosen, queries = self._chosen, self._queries
        if chosen == Filter():
            return self._one(queries.total_of_all)
        if chosen == Filter(from_msisdn=chosen.from_msisdn):
            return self._sides["by_from"]
        if chosen == Filter(to_msisdn=chosen.to_msisdn):
            return self._sides["by_to"]
        if chosen == Filter(chosen.from_msisdn, chosen.to_msisdn):
            kept: int | None = self._fetch(queries.total_of_busy_pair)[0][0]
            if kept is not None:
                return kept
        side = self._side_to_count()
        sql = getattr(queries, "count_" + side)
        if side in COUNTED_IN_PIECES:
            return sum(self._one(sql, piece) for piece in self._pieces())
        return self._one(sql)

    def _pieces(self) -> Iterator[Parameters]:
        """The messages of this snapshot piece by piece, each in a snapshot of its own.

        Messages are never changed, so that all up to the last one stay what they are. A read that
        held one snapshot for as long as this takes would keep the log from being moved meanwhile.
        """
        end = self._stored_seq
        for after_seq in range(0, end, PIECE_MESSAGES):
            yield {"after_seq": after_seq, "last_seq": min(after_seq + PIECE_MESSAGES, end)}
            self._connection.commit()
            self._begin()

    @cached_property
    def _sides(self) -> dict[str, int]:
        """By side that can serve the filter, whatever its text: how many messages it looks at.

        Where there is none, it is by_ts. By_ts is for a filter without a number.
        """
        chosen, queries = self._chosen, self._queries
        sizes = {}
        if chosen.from_msisdn is not None:
            sizes["by_from"] = self._one(queries.total_of_sender)
        if chosen.to_msisdn is not None:
            sizes["by_to"] = self._one(queries.total_of_recipient)
        has_range = not sizes and (chosen.since, chosen.until) != (INSTANT_MIN, INSTANT_MAX)
        if self._parameters["match"]:
            if has_range:
                sizes["by_ts"] = self._up_to(FEW_MESSAGES, queries.estimate_ts)
        elif chosen.q_folded:
            total = self._one(queries.total_of_all)
            if not sizes:
                sizes["by_ts"] = self._one(queries.count_by_ts, {"q": ""}) if has_range else total
            sizes["by_scan"] = total // READS_IN_A_ROW
        return sizes

    def _side_to_count(self) -> str:
        """The shortest of `_sides` and the index of texts, each looked at as far as it takes."""
        queries, sizes, limit = self._queries, self._sides.copy(), FEW_MESSAGES
        if not self._parameters["match"]:
            return least(sizes)
        if not sizes:
            return "by_text"
        while True:
            sizes["by_text"] = self._up_to(limit, queries.estimate_text)
            if "by_ts" in sizes:
                sizes["by_ts"] = self._up_to(sizes["by_text"], queries.estimate_ts)
            if min(sizes.values()) <= limit:
                return least(sizes)
            limit = 10 * min(sizes.values())

    def _up_to(self, limit: int, sql: str) -> int:
        """What `sql` counts, or `limit` + 1 where it is more."""
        return self._one(sql, {"limit": limit + 1})

    def _one(self, sql: str, more: Parameters | None = None) -> int:
        return int(self._fetch(sql, more)[0][0])

    def _fetch(self, sql: str, more: Parameters | None = None) -> list[Any]:
        return self._connection.execute(sql, self._parameters | (more or {})).fetchall()


def look(connection: sqlite3.Connection, queries: SqliteQueries) -> None:
    """Read a row of each file: does it read? What that takes does not grow with the tail."""
    seq = connection.execute(queries.read_indexed).fetchone()[0]
    connection.execute(queries.read_message_id, {"seq": seq}).fetchall()


def match_parts(q_folded: str) -> str:
    """The expression that finds, in by_text, all that have every part of `q_folded`.

    Empty where it is too short to have one. A text may have all parts and not the whole.
    """
    parts = {
        q_folded[start : start + PART_CHARACTERS]
        for start in range(len(q_folded) - PART_CHARACTERS + 1)
    }
    return " AND ".join('"' + part.replace('"', '""') + '"' for part in sorted(parts))
