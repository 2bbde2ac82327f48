"""Which query answers a read: the access path that looks at the fewest messages.

Every function runs in the thread of a reading connection, inside one snapshot (but see
`Reads._chunks`).
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, Literal

from service.messages.message import encode
from service.store.access_paths import (
    FEW_MESSAGES,
    PART_CHARACTERS,
    READS_IN_A_ROW,
    page_and_count_of,
    page_of_one,
    page_parameters,
)
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Totals
from service.store.queries import SqliteQueries

Parameters = dict[str, Any]

AccessPath = Literal["by_ts", "by_from", "by_to", "by_text", "by_scan"]

COUNTED_IN_CHUNKS = ("by_scan", "by_text")
"""The counts that look at any number of messages, whatever the filter."""

FROM_MSISDN = Row._fields.index("from_msisdn")

CHUNK_MESSAGES = 50_000
"""A chunk of a long read takes some 50 ms."""


class Reads:
    """Reads of one filter in one snapshot. The caller commits."""

    def __init__(
        self, connection: sqlite3.Connection, queries: SqliteQueries, chosen: Filter
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._chosen = chosen
        self._pages: dict[AccessPath, str] = {
            "by_ts": queries.page_by_ts,
            "by_from": queries.page_by_from,
            "by_to": queries.page_by_to,
        }
        if chosen.is_descending:
            self._pages |= {
                "by_ts": queries.page_by_ts_desc,
                "by_from": queries.page_by_from_desc,
                "by_to": queries.page_by_to_desc,
            }
        self._counts: dict[AccessPath, str] = {
            "by_ts": queries.count_by_ts,
            "by_from": queries.count_by_from,
            "by_to": queries.count_by_to,
            "by_text": queries.count_by_text,
            "by_scan": queries.count_by_scan,
        }
        self._parameters: Parameters = {
            "from_msisdn": chosen.from_msisdn,
            "to_msisdn": chosen.to_msisdn,
            "since": chosen.since,
            "until": chosen.until,
            "q": chosen.q_folded,
            "message_id": chosen.message_id,
            "match": match_parts(chosen.q_folded),
        }
        self._has_range = (chosen.since, chosen.until) != (INSTANT_MIN, INSTANT_MAX)
        self._narrow_paths = self._list_narrow_paths()
        self._sizes: dict[AccessPath, int] = {}
        self._begin()

    def page(self, after: Position | None, offset: int, limit: int) -> list[Row]:
        """See `store.interface.Store.page`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = self._find_few(place)
        return self._page(place) if found is None else found[0]

    def page_and_count(
        self, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.interface.Store.page_and_count`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = self._find_few(place)
        return (self._page(place), self._count()) if found is None else found

    def totals(self) -> Totals:
        """See `store.interface.Store.totals`."""
        messages, senders, first_ts, last_ts = self._fetch(self._queries.read_totals)[0]
        top = self._fetch(self._queries.top_senders)
        return Totals(messages, senders, first_ts, last_ts, top)

    def _begin(self) -> None:
        """Begin the snapshot: of the index first, so that the messages have all that it has."""
        self._connection.execute(self._queries.begin_read)
        self._connection.execute(self._queries.read_indexed).fetchall()

    def _find_few(self, place: Parameters) -> tuple[list[Row], int] | None:
        """The page and the count if few messages can match; None if another way is cheaper."""
        if self._chosen.message_id is not None:
            return page_of_one(self._fetch(self._queries.page_by_id), place)
        if self._parameters["match"]:
            few = {"candidates_max": min([FEW_MESSAGES, *map(self._size, self._narrow_paths)])}
            return page_and_count_of(self._fetch(self._queries.page_by_text, place | few))
        if self._is_scan_cheapest() and (seqs := self._scan()) is not None:
            found = {"found": encode(seqs).decode()}
            return page_and_count_of(self._fetch(self._queries.page_of_found, place | found))
        return None

    def _scan(self) -> list[int] | None:
        """Which messages have the text; None if more than a few have."""
        found: list[int] = []
        for chunk in self._chunks():
            limit = {"limit": FEW_MESSAGES + 1 - len(found)}
            found += [seq for (seq,) in self._fetch(self._queries.find_by_scan, chunk | limit)]
            if len(found) > FEW_MESSAGES:
                return None
        return found

    def _page(self, place: Parameters) -> list[Row]:
        sql = self._pages[self._cheapest_index()]
        rows = self._fetch(sql, place | {"skips_deleted": False})
        if any(row[FROM_MSISDN] is None for row in rows):
            # Others have deleted messages that are in the index. To drop their rows is not enough:
            # a shorter page would look like the last one.
            rows = self._fetch(sql, place | {"skips_deleted": True})
        return [Row(*row) for row in rows]

    def _count(self) -> int:
        chosen = self._chosen._replace(is_descending=False)
        if chosen == Filter():
            return self._one(self._queries.total_of_all)
        if chosen == Filter(from_msisdn=chosen.from_msisdn):
            return self._size("by_from")
        if chosen == Filter(to_msisdn=chosen.to_msisdn):
            return self._size("by_to")
        path = self._cheapest_to_count()
        if path in COUNTED_IN_CHUNKS:
            return sum(self._one(self._counts[path], chunk) for chunk in self._chunks())
        return self._one(self._counts[path])

    def _chunks(self) -> Iterator[Parameters]:
        """All messages of this snapshot chunk by chunk, each in a snapshot of its own.

        Messages never change, and later ones have a higher seq. One long snapshot would prevent
        SQLite from resetting the WAL.
        """
        end = self._one(self._queries.read_last_seq)
        for after_seq in range(0, end, CHUNK_MESSAGES):
            yield {"after_seq": after_seq, "last_seq": min(after_seq + CHUNK_MESSAGES, end)}
            self._connection.commit()
            self._begin()

    def _list_narrow_paths(self) -> list[AccessPath]:
        """The indexes that look at fewer than all messages, whatever the filter's text."""
        paths: list[AccessPath] = []
        if self._chosen.from_msisdn is not None:
            paths.append("by_from")
        if self._chosen.to_msisdn is not None:
            paths.append("by_to")
        return paths or (["by_ts"] if self._has_range else [])

    def _cheapest_index(self) -> AccessPath:
        """The index that looks at the fewest messages, whatever the filter's text."""
        paths = self._narrow_paths or ["by_ts"]
        return paths[0] if len(paths) == 1 else min(paths, key=self._size)

    def _is_scan_cheapest(self) -> bool:
        """Whether to read all messages in the order of `seq`, for a text that is in no index."""
        if not self._chosen.q_folded:
            return False
        return self._size("by_scan") < self._size(self._cheapest_index())

    def _cheapest_to_count(self) -> AccessPath:
        if not self._parameters["match"]:
            return "by_scan" if self._is_scan_cheapest() else self._cheapest_index()
        return self._cheapest_with_text() if self._narrow_paths else "by_text"

    def _cheapest_with_text(self) -> AccessPath:
        """Measures each index only as far as needed to tell which one is the cheapest."""
        sizes = {path: self._size(path) for path in self._narrow_paths}
        limit = FEW_MESSAGES
        while True:
            sizes["by_text"] = self._up_to(limit, self._queries.estimate_text)
            if "by_ts" in sizes:
                sizes["by_ts"] = self._up_to(sizes["by_text"], self._queries.estimate_ts)
            if min(sizes.values()) <= limit:
                return min(sizes, key=sizes.__getitem__)
            limit = 10 * min(sizes.values())

    def _size(self, path: AccessPath) -> int:
        """How many messages this path looks at; a scan reads `READS_IN_A_ROW` as cheaply as one."""
        if path not in self._sizes:
            self._sizes[path] = self._measure(path)
        return self._sizes[path]

    def _measure(self, path: AccessPath) -> int:
        queries = self._queries
        if path == "by_from":
            return self._one(queries.total_of_sender)
        if path == "by_to":
            return self._one(queries.total_of_recipient)
        if path == "by_scan":
            return self._one(queries.total_of_all) // READS_IN_A_ROW
        if not self._has_range:
            return self._one(queries.total_of_all)
        if self._parameters["match"]:
            return self._up_to(FEW_MESSAGES, queries.estimate_ts)
        return self._one(queries.count_by_ts, {"q": ""})

    def _up_to(self, limit: int, sql: str) -> int:
        """What `sql` counts, or `limit` + 1 if it is more."""
        return self._one(sql, {"limit": limit + 1})

    def _one(self, sql: str, more: Parameters | None = None) -> int:
        return int(self._fetch(sql, more)[0][0])

    def _fetch(self, sql: str, more: Parameters | None = None) -> list[Any]:
        return self._connection.execute(sql, self._parameters | (more or {})).fetchall()


def look(connection: sqlite3.Connection, queries: SqliteQueries) -> None:
    """Read the last message, to prove that the database can be read."""
    seq = connection.execute(queries.read_last_seq).fetchone()[0]
    connection.execute(queries.read_message_id, {"seq": seq}).fetchall()


def match_parts(q_folded: str) -> str:
    """The FTS5 expression for all parts of `q_folded`; empty if it is too short to have one.

    A text may have all parts and not the whole.
    """
    parts = {
        q_folded[start : start + PART_CHARACTERS]
        for start in range(len(q_folded) - PART_CHARACTERS + 1)
    }
    return " AND ".join('"' + part.replace('"', '""') + '"' for part in sorted(parts))
