"""What the service must do, in the plainest Python: a list of rows in memory."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from service.store.port import Filter, Position, Row, Totals


class Model(NamedTuple):
    """Rows in the order of `GET /messages`."""

    rows: list[Row]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Model":
        """Of several rows with one id, the first one stays."""
        first: dict[str, Row] = {}
        for row in rows:
            first.setdefault(row.message_id, row)
        return cls(sorted(first.values(), key=position))

    def matching(self, chosen: Filter) -> list[Row]:
        return [row for row in self.rows if is_match(row, chosen)]

    def page(
        self, chosen: Filter, after: Position | None = None, offset: int = 0, limit: int = 100
    ) -> list[Row]:
        behind = [row for row in self.matching(chosen) if after is None or position(row) > after]
        return behind[offset : offset + limit]

    def totals(self) -> Totals:
        counts = Counter(row.from_msisdn for row in self.rows)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        instants = [row.ts for row in self.rows]
        return Totals(
            messages=len(self.rows),
            senders=len(counts),
            first_ts=min(instants, default=None),
            last_ts=max(instants, default=None),
            top_senders=ranked[:10],
        )


def position(row: Row) -> Position:
    return Position(row.ts, row.message_id)


def is_match(row: Row, chosen: Filter) -> bool:
    return (
        chosen.from_msisdn in (None, row.from_msisdn)
        and chosen.to_msisdn in (None, row.to_msisdn)
        and chosen.since <= row.ts < chosen.until
        and (not chosen.q_folded or chosen.q_folded in (row.text or "").casefold())
    )
