"""What the reads of every database share: when an access path pays off, and what a page needs."""

from collections.abc import Sequence
from typing import Any

from service.store.interface import Filter, Position, Row

PART_CHARACTERS = 3
"""An index of texts has the parts of this length. It can't find a shorter text."""

FEW_MESSAGES = 10_000
"""If more messages have a text, a page is found sooner by reading messages in their order than by
finding and sorting all of them."""

READS_IN_A_ROW = 20
"""A scan reads this many messages in the time of one read by its place in an index. (Measured on
SQLite: 0.14 µs and 2.4 to 3.5 µs.)"""


def page_parameters(
    chosen: Filter, after: Position | None, offset: int, limit: int
) -> dict[str, Any]:
    """The parameters of every page. In its order it begins after `after`, if that is given."""
    start, end = Position(chosen.since, ""), Position(chosen.until, "")
    if after is not None and chosen.is_descending:
        end = min(end, after)
    elif after is not None:
        start = max(start, after)
    return {
        "after_ts": start.ts,
        "after_message_id": start.message_id,
        "before_ts": end.ts,
        "before_message_id": end.message_id,
        "is_descending": chosen.is_descending,
        "limit": limit,
        "offset": offset,
    }


def page_of_one(rows: Sequence[Sequence[Any]], place: dict[str, Any]) -> tuple[list[Row], int]:
    """The page and the count where at most one message has the id."""
    found = [Row(*row) for row in rows]
    after = Position(place["after_ts"], place["after_message_id"])
    before = Position(place["before_ts"], place["before_message_id"])
    page = [row for row in found if after < Position(row.ts, row.message_id) < before]
    return page[place["offset"] :][: place["limit"]], len(found)


def page_and_count_of(rows: Sequence[Sequence[Any]]) -> tuple[list[Row], int] | None:
    """The page and the count of a query that gives both; None if it gave up: its count is NULL.

    An empty page is one row without a message.
    """
    count = rows[0][0]
    if count is None:
        return None
    return [Row(*row[1:]) for row in rows if row[1] is not None], count
