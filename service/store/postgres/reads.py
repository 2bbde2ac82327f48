"""Which query answers a read, on PostgreSQL.

A query is named by the index that it leans on. The planner knows which of two numbers has fewer
messages; it does not know how many have a text: the kept counts do, and the index of texts. As few
queries as can be, for each is a way to the server and back.
"""

from typing import Any

from service.store.access_paths import (
    FEW_MESSAGES,
    PART_CHARACTERS,
    READS_IN_A_ROW,
    page_and_count_of,
    page_parameters,
)
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Totals
from service.store.postgres.connection import Session
from service.store.queries import PostgresQueries

Parameters = dict[str, Any]

SIDES = {
    (False, False): "by_ts",
    (True, False): "by_from",
    (False, True): "by_to",
    (True, True): "by_pair",
}
"""What serves a filter that names a sender, and a recipient, whatever else it has."""


class Reads:
    """Reads of one filter, in one session."""

    def __init__(
        self, session: Session, queries: PostgresQueries, chosen: Filter, has_texts: bool
    ) -> None:
        """`has_texts`: whether the database has an index of texts."""
        self._session = session
        self._queries = queries
        self._chosen = chosen
        self._side = SIDES[chosen.from_msisdn is not None, chosen.to_msisdn is not None]
        self._finds_text = has_texts and len(chosen.q_folded) >= PART_CHARACTERS
        self._parameters: Parameters = {
            "from_msisdn": chosen.from_msisdn,
            "to_msisdn": chosen.to_msisdn,
            "since": chosen.since,
            "until": chosen.until,
            "q": chosen.q_folded,
        }
        self._size: int | None = None

    async def page(self, after: Position | None, offset: int, limit: int) -> list[Row]:
        """See `store.port.Store.page`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = await self._find_text(place)
        return await self._page(place) if found is None else found[0]

    async def page_and_count(
        self, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        """See `store.port.Store.page_and_count`."""
        place = page_parameters(self._chosen, after, offset, limit)
        found = await self._find_text(place)
        if found is not None:
            return found
        async with self._session.snapshot():
            return await self._page(place), await self._count()

    async def totals(self) -> Totals:
        """See `store.port.Store.totals`."""
        rows = await self._fetch("read_totals")
        messages, senders, first_ts, last_ts, *_ = rows[0]
        top = [(row[4], row[5]) for row in rows if row[4] is not None]
        return Totals(messages, senders, first_ts, last_ts, top)

    async def _find_text(self, place: Parameters) -> tuple[list[Row], int] | None:
        """The page and the count, by the index of texts; None where another way is shorter."""
        if not self._finds_text:
            return None
        few = {"few_messages": FEW_MESSAGES, "candidates_max": await self._few()}
        return page_and_count_of(await self._fetch("page_by_text", place | few))

    async def _page(self, place: Parameters) -> list[Row]:
        is_scanned = await self._is_scan_shorter() and await self._have_few_the_text()
        side = "by_scan" if is_scanned else self._side
        return [Row(*row) for row in await self._fetch("page_" + side, place)]

    async def _count(self) -> int:
        chosen = self._chosen
        if chosen == Filter():
            return await self._one("total_of_all")
        if chosen == Filter(from_msisdn=chosen.from_msisdn):
            return await self._one("total_of_sender")
        if chosen == Filter(to_msisdn=chosen.to_msisdn):
            return await self._one("total_of_recipient")
        if self._finds_text and await self._is_text_shorter():
            return await self._one("count_by_text")
        return await self._one(
            "count_" + ("by_scan" if await self._is_scan_shorter() else self._side)
        )

    async def _few(self) -> int:
        """Of a text that more messages have, its index is not the shortest way to a page."""
        if self._side == "by_ts":
            return FEW_MESSAGES
        return min(FEW_MESSAGES, await self._measure())

    async def _is_text_shorter(self) -> bool:
        """Whether fewer have the text, which many have, than have all else that the filter names.

        Both are looked at as far as it takes to tell: a small part of what the count then does.
        """
        if self._chosen == Filter(q_folded=self._chosen.q_folded):
            return True
        if await self._few() < FEW_MESSAGES:
            return False
        limit = FEW_MESSAGES
        while (side := await self._up_to(limit, "estimate_filter")) > limit:
            limit = 10 * side
            having_text = await self._up_to(limit, "estimate_text")
            if having_text <= limit:
                return having_text < await self._up_to(having_text, "estimate_filter")
        return False

    async def _is_scan_shorter(self) -> bool:
        """Whether to read all messages in the order they lie in is shorter than by their side."""
        if self._finds_text or not self._chosen.q_folded:
            return False
        return await self._one("total_of_all") // READS_IN_A_ROW < await self._measure()

    async def _have_few_the_text(self) -> bool:
        return await self._up_to(FEW_MESSAGES, "estimate_scan") <= FEW_MESSAGES

    async def _measure(self) -> int:
        """How many messages the side of the filter would look at."""
        if self._size is None:
            self._size = await self._measure_side()
        return self._size

    async def _measure_side(self) -> int:
        chosen, sizes = self._chosen, []
        if chosen.from_msisdn is not None:
            sizes.append(await self._one("total_of_sender"))
        if chosen.to_msisdn is not None:
            sizes.append(await self._one("total_of_recipient"))
        if sizes:
            return min(sizes)
        if (chosen.since, chosen.until) != (INSTANT_MIN, INSTANT_MAX):
            return await self._one("count_by_ts", {"q": ""})
        return await self._one("total_of_all")

    async def _up_to(self, limit: int, query: str) -> int:
        """What `query` counts, or `limit` + 1 where it is more."""
        return await self._one(query, {"limit": limit + 1})

    async def _one(self, query: str, more: Parameters | None = None) -> int:
        rows = await self._fetch(query, more)
        return int(rows[0][0])

    async def _fetch(self, query: str, more: Parameters | None = None) -> list[Any]:
        sql = getattr(self._queries, query)
        return await self._session.fetch(sql, self._parameters | (more or {}))
