"""Which query answers a read: a filter can be served from several sides, and one is the shortest.

Every function runs in the thread of a read connection, inside one snapshot (but see
`Reads._count_in_pieces`).
"""

import sqlite3
from functools import cached_property
from typing import Any

from service.store.plans import (
    FEW_MESSAGES,
    PART_CHARACTERS,
    READS_IN_A_ROW,
    least,
    page_parameters,
)
from service.store.port import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Totals
from service.store.queries import SqliteQueries

Parameters = dict[str, Any]

COPIED_MESSAGES = 50_000
"""So many of the tail, at most, a connection keeps a copy of: 4 MiB."""

COUNTED_IN_PIECES = ("by_scan", "by_text")
"""The counts that look at any number of messages, whatever the filter."""

PIECE_MESSAGES = 50_000
"""Some 50 ms of such a count."""


class Reads:
    """Reads one snapshot: that of the index first, so that the messages hold all that it has."""

    def __init__(
        self, connection: sqlite3.Connection, queries: SqliteQueries, chosen: Filter
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._chosen = chosen
        indexed_seq = connection.execute(queries.read_indexed).fetchone()[0]
        self._parameters: Parameters = {
            "from_msisdn": chosen.from_msisdn,
            "to_msisdn": chosen.to_msisdn,
            "since": chosen.since,
            "until": chosen.until,
            "q": chosen.q_folded,
            "match": match_parts(chosen.q_folded),
            "indexed_seq": indexed_seq,
            "copied_seq": indexed_seq + COPIED_MESSAGES,
        }
        self._bring_copy_up()

    def page(self, after: Position | None, offset: int, limit: int) -> list[Row]:
        """See `store.port.Store.page`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = self._find_text(place)
        return self._page(place) if found is None else found[0]

    def page_and_count(
        self, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.port.Store.page_and_count`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = self._find_text(place)
        return (self._page(place), self._count()) if found is None else found

    def totals(self) -> Totals:
        """See `store.port.Store.totals`."""
        counts = self._connection.execute(self._queries.read_totals, self._parameters).fetchone()
        messages, senders, first_ts, last_ts = counts
        top = self._connection.execute(self._queries.top_senders, self._parameters).fetchall()
        return Totals(messages, senders, first_ts, last_ts, top)

    def _bring_copy_up(self) -> None:
        """What the last read left of the tail is brought up to this snapshot, and left to the next
        when this one commits. (The index never goes back while a connection has it open.)
        """
        execute, queries = self._connection.execute, self._queries
        self._stored_seq, kept_seq = execute(queries.measure_tail).fetchone()
        if kept_seq:
            execute(queries.trim_tail_copy, self._parameters)
        if self._stored_seq > max(self._parameters["indexed_seq"], kept_seq):
            execute(queries.copy_tail, self._parameters)

    def _find_text(self, place: Parameters) -> tuple[list[Row], int] | None:
        """The page and the count, by the index of texts; None where another way is shorter."""
        if not self._parameters["match"]:
            return None
        few = {"candidates_max": min([FEW_MESSAGES, *self._sides.values()])}
        rows = self._fetch(self._queries.page_by_text, place | few)
        count = rows[0][0]
        if count is None:
            return None
        return [Row(*row[1:]) for row in rows if row[1] is not None], count

    def _page(self, place: Parameters) -> list[Row]:
        side = least(self._sides)
        if side == "by_scan" and not self._have_few_the_text():
            side = least({name: size for name, size in self._sides.items() if name != side})
        return [Row(*row) for row in self._fetch(getattr(self._queries, "page_" + side), place)]

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
        side = least(self._sizes_to_count())
        sql = getattr(queries, "count_" + side)
        return self._count_in_pieces(sql) if side in COUNTED_IN_PIECES else self._one(sql)

    def _count_in_pieces(self, sql: str) -> int:
        """What `sql` counts, in many snapshots that together are as this one.

        Messages are never changed, so that those up to its last one stay what they are. A read that
        held one snapshot for as long as this takes would keep the log from being moved meanwhile.
        """
        count = 0
        for after_seq in range(0, self._stored_seq, PIECE_MESSAGES):
            last_seq = min(after_seq + PIECE_MESSAGES, self._stored_seq)
            count += self._one(sql, {"after_seq": after_seq, "last_seq": last_seq})
            self._connection.commit()
            self._connection.execute(self._queries.begin_read)
        return count

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

    def _sizes_to_count(self) -> dict[str, int]:
        """`_sides`, and how many have the text: as far as it takes to tell the shortest."""
        queries, sizes, limit = self._queries, self._sides.copy(), FEW_MESSAGES
        if not self._parameters["match"]:
            return sizes
        while True:
            sizes["by_text"] = self._up_to(limit, queries.estimate_text)
            if "by_ts" in sizes:
                sizes["by_ts"] = self._up_to(sizes["by_text"], queries.estimate_ts)
            if len(sizes) == 1 or min(sizes.values()) <= limit:
                return sizes
            limit = 10 * min(sizes.values())

    def _have_few_the_text(self) -> bool:
        return self._up_to(FEW_MESSAGES, self._queries.estimate_scan) <= FEW_MESSAGES

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
