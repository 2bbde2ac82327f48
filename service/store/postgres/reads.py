"""Which query answers a read: the access path that looks at the fewest messages.

The planner knows which of two numbers has fewer messages. It does not know how many messages have a
text; the kept counts and the index of texts tell. Every query is a round trip, so a read takes few.
"""

from typing import Any, Literal

from service.store.access_paths import (
    FEW_MESSAGES,
    PART_CHARACTERS,
    READS_IN_A_ROW,
    page_and_count_of,
    page_of_one,
    page_parameters,
)
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Totals
from service.store.postgres.connection import Connection
from service.store.queries import PostgresQueries

Parameters = dict[str, Any]

AccessPath = Literal["by_ts", "by_from", "by_to", "by_pair", "by_text", "by_scan"]

INDEXES: dict[tuple[bool, bool], AccessPath] = {
    (False, False): "by_ts",
    (True, False): "by_from",
    (False, True): "by_to",
    (True, True): "by_pair",
}
"""The index for a filter with a sender, and with a recipient, whatever else the filter has."""


class Reads:
    """Reads of one filter on one connection."""

    def __init__(
        self, connection: Connection, queries: PostgresQueries, chosen: Filter, has_texts: bool
    ) -> None:
        """`has_texts`: whether the database has an index of texts."""
        self._connection = connection
        self._queries = queries
        self._chosen = chosen
        self._pages: dict[AccessPath, str] = {
            "by_ts": queries.page_by_ts,
            "by_from": queries.page_by_from,
            "by_to": queries.page_by_to,
            "by_pair": queries.page_by_pair,
            "by_scan": queries.page_by_scan,
        }
        if chosen.is_descending:
            self._pages |= {
                "by_ts": queries.page_by_ts_desc,
                "by_from": queries.page_by_from_desc,
                "by_to": queries.page_by_to_desc,
                "by_pair": queries.page_by_pair_desc,
            }
        self._counts: dict[AccessPath, str] = {
            "by_ts": queries.count_by_ts,
            "by_from": queries.count_by_from,
            "by_to": queries.count_by_to,
            "by_pair": queries.count_by_pair,
            "by_text": queries.count_by_text,
            "by_scan": queries.count_by_scan,
        }
        self._index = INDEXES[chosen.from_msisdn is not None, chosen.to_msisdn is not None]
        self._finds_text = has_texts and len(chosen.q_folded) >= PART_CHARACTERS
        self._parameters: Parameters = {
            "from_msisdn": chosen.from_msisdn,
            "to_msisdn": chosen.to_msisdn,
            "since": chosen.since,
            "until": chosen.until,
            "q": chosen.q_folded,
            "message_id": chosen.message_id,
        }
        self._size: int | None = None

    async def page(self, after: Position | None, offset: int, limit: int) -> list[Row]:
        """See `store.interface.Store.page`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = await self._find_few(place)
        return await self._page(place) if found is None else found[0]

    async def page_and_count(
        self, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.interface.Store.page_and_count`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = await self._find_few(place)
        if found is not None:
            return found
        async with self._connection.snapshot():
            return await self._page(place), await self._count()

    async def totals(self) -> Totals:
        """See `store.interface.Store.totals`."""
        rows = await self._fetch(self._queries.read_totals)
        messages, senders, first_ts, last_ts, *_ = rows[0]
        top = [(row[4], row[5]) for row in rows if row[4] is not None]
        return Totals(messages, senders, first_ts, last_ts, top)

    async def _find_few(self, place: Parameters) -> tuple[list[Row], int] | None:
        """The page and the count if few messages can match; None if another way is cheaper."""
        if self._chosen.message_id is not None:
            return page_of_one(await self._fetch(self._queries.page_by_id), place)
        if not self._finds_text:
            return None
        few = {"few_messages": FEW_MESSAGES, "candidates_max": await self._few()}
        return page_and_count_of(await self._fetch(self._queries.page_by_text, place | few))

    async def _page(self, place: Parameters) -> list[Row]:
        is_scanned = await self._is_scan_cheaper() and await self._have_few_the_text()
        sql = self._pages["by_scan" if is_scanned else self._index]
        return [Row(*row) for row in await self._fetch(sql, place)]

    async def _count(self) -> int:
        chosen = self._chosen._replace(is_descending=False)
        if chosen == Filter():
            return await self._one(self._queries.total_of_all)
        if chosen == Filter(from_msisdn=chosen.from_msisdn):
            return await self._one(self._queries.total_of_sender)
        if chosen == Filter(to_msisdn=chosen.to_msisdn):
            return await self._one(self._queries.total_of_recipient)
        return await self._one(self._counts[await self._cheapest_to_count()])

    async def _cheapest_to_count(self) -> AccessPath:
        if self._finds_text:
            return "by_text" if await self._is_text_cheaper() else self._index
        return "by_scan" if await self._is_scan_cheaper() else self._index

    async def _few(self) -> int:
        """If more messages have a text, the index of texts is not the cheapest way to a page."""
        if self._index == "by_ts":
            return FEW_MESSAGES
        return min(FEW_MESSAGES, await self._measure())

    async def _is_text_cheaper(self) -> bool:
        """Whether fewer messages have the text than match the rest of the filter.

        More than a few have the text. Each side is counted only as far as it takes to tell, which
        is a small part of the count that follows.
        """
        if self._chosen._replace(is_descending=False) == Filter(q_folded=self._chosen.q_folded):
            return True
        if await self._few() < FEW_MESSAGES:
            return False
        limit = FEW_MESSAGES
        while (matching := await self._up_to(limit, self._queries.estimate_filter)) > limit:
            limit = 10 * matching
            having_text = await self._up_to(limit, self._queries.estimate_text)
            if having_text <= limit:
                estimate = await self._up_to(having_text, self._queries.estimate_filter)
                return having_text < estimate
        return False

    async def _is_scan_cheaper(self) -> bool:
        """Whether to read all messages in sequence, for a text that no index finds."""
        if self._finds_text or not self._chosen.q_folded:
            return False
        total = await self._one(self._queries.total_of_all)
        return total // READS_IN_A_ROW < await self._measure()

    async def _have_few_the_text(self) -> bool:
        return await self._up_to(FEW_MESSAGES, self._queries.estimate_scan) <= FEW_MESSAGES

    async def _measure(self) -> int:
        """How many messages the index looks at."""
        if self._size is None:
            self._size = await self._measure_index()
        return self._size

    async def _measure_index(self) -> int:
        chosen, sizes = self._chosen, []
        if chosen.from_msisdn is not None:
            sizes.append(await self._one(self._queries.total_of_sender))
        if chosen.to_msisdn is not None:
            sizes.append(await self._one(self._queries.total_of_recipient))
        if sizes:
            return min(sizes)
        if (chosen.since, chosen.until) != (INSTANT_MIN, INSTANT_MAX):
            return await self._one(self._queries.count_by_ts, {"q": ""})
        return await self._one(self._queries.total_of_all)

    async def _up_to(self, limit: int, sql: str) -> int:
        """What `sql` counts, or `limit` + 1 if it is more."""
        return await self._one(sql, {"limit": limit + 1})

    async def _one(self, sql: str, more: Parameters | None = None) -> int:
        return int((await self._fetch(sql, more))[0][0])

    async def _fetch(self, sql: str, more: Parameters | None = None) -> list[Any]:
        return await self._connection.fetch(sql, self._parameters | (more or {}))
