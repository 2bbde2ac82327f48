"""Which query answers a read, on PostgreSQL: the choice is that of `sqlite_reads`.

A query is named by the index that it leans on. Its planner does not see that a sender is rare and a
text is not; the kept counts and a look at the index of texts do.
"""

from typing import Any

from service.store.plans import FEW_MESSAGES, PART_CHARACTERS, READS_IN_A_ROW, least, page_start
from service.store.port import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Totals
from service.store.postgres_connection import Session
from service.store.queries import PostgresQueries

Parameters = dict[str, Any]


class Reads:
    """Reads of one filter, in one session: in a snapshot where they must agree."""

    def __init__(
        self, session: Session, queries: PostgresQueries, chosen: Filter, has_texts: bool
    ) -> None:
        """`has_texts`: whether the database has an index of texts."""
        self._session = session
        self._queries = queries
        self._chosen = chosen
        self._finds_text = has_texts and len(chosen.q_folded) >= PART_CHARACTERS
        self._parameters: Parameters = {
            "from_msisdn": chosen.from_msisdn,
            "to_msisdn": chosen.to_msisdn,
            "since": chosen.since,
            "until": chosen.until,
            "q": chosen.q_folded,
        }
        self._sizes: dict[str, int] | None = None

    async def page(self, after: Position | None, offset: int, limit: int) -> list[Row]:
        """See `store.port.Store.page`."""
        start = page_start(self._chosen, after)
        parameters = {
            "after_ts": start.ts,
            "after_message_id": start.message_id,
            "limit": limit,
            "offset": offset,
        }
        rows = await self._fetch("page_" + await self._choose_page(), parameters)
        return [Row(*row) for row in rows]

    async def count(self) -> int:
        """How many messages the filter has."""
        chosen = self._chosen
        if chosen == Filter():
            return await self._one("read_totals")
        sizes = await self._measure()
        if chosen == Filter(from_msisdn=chosen.from_msisdn):
            return sizes["by_from"]
        if chosen == Filter(to_msisdn=chosen.to_msisdn):
            return sizes["by_to"]
        return await self._one("count_" + least(sizes))

    async def totals(self) -> Totals:
        """See `store.port.Store.totals`."""
        ((messages, senders, first_ts, last_ts),) = await self._fetch("read_totals")
        top = await self._fetch("top_senders")
        return Totals(messages, senders, first_ts, last_ts, [(row[0], row[1]) for row in top])

    async def _choose_page(self) -> str:
        sizes = (await self._measure()).copy()
        if sizes.get("by_text", 0) > FEW_MESSAGES:
            del sizes["by_text"]
        if least(sizes) == "by_scan" and await self._up_to_few("estimate_scan") > FEW_MESSAGES:
            del sizes["by_scan"]
        return least(sizes)

    async def _measure(self) -> dict[str, int]:
        """By side that can serve the filter: how many messages it would look at."""
        if self._sizes is None:
            self._sizes = await self._measure_sides()
        return self._sizes

    async def _measure_sides(self) -> dict[str, int]:
        chosen, sizes = self._chosen, {}
        if chosen.from_msisdn is not None:
            sizes["by_from"] = await self._one("total_of_sender")
        if chosen.to_msisdn is not None:
            sizes["by_to"] = await self._one("total_of_recipient")
        if self._finds_text:
            sizes["by_text"] = await self._up_to_few("estimate_text")
        elif chosen.q_folded:
            total = await self._one("read_totals")
            if not sizes:  # by_ts is for a filter without a number
                has_range = (chosen.since, chosen.until) != (INSTANT_MIN, INSTANT_MAX)
                sizes["by_ts"] = await self._one("count_by_ts", {"q": ""}) if has_range else total
            sizes["by_scan"] = total // READS_IN_A_ROW
        return sizes

    async def _up_to_few(self, query: str) -> int:
        return await self._one(query, {"limit": FEW_MESSAGES + 1})

    async def _one(self, query: str, more: Parameters | None = None) -> int:
        rows = await self._fetch(query, more)
        return int(rows[0][0])

    async def _fetch(self, query: str, more: Parameters | None = None) -> list[Any]:
        sql = getattr(self._queries, query)
        return await self._session.fetch(sql, self._parameters | (more or {}))
