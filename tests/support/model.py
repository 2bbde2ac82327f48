"""A model of the service: a list of rows in memory."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from service.messages.text import fold
from service.store.interface import Filter, Position, Row, Totals
from tests.support.service import Json
from tests.support.strategies import rfc3339


class Model(NamedTuple):
    """Rows in the order of `GET /messages`."""

    rows: list[Row]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Model":
        """If several rows have one id, the first one stays."""
        first: dict[str, Row] = {}
        for row in rows:
            first.setdefault(row.message_id, row)
        return cls(sorted(first.values(), key=position))

    def matching(self, chosen: Filter) -> list[Row]:
        found = [row for row in self.rows if is_match(row, chosen)]
        return found[::-1] if chosen.is_descending else found

    def page(
        self, chosen: Filter, after: Position | None = None, offset: int = 0, limit: int = 100
    ) -> list[Row]:
        rest = [
            row
            for row in self.matching(chosen)
            if after is None
            or (position(row) < after if chosen.is_descending else position(row) > after)
        ]
        return rest[offset : offset + limit]

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
        and chosen.message_id in (None, row.message_id)
        and chosen.since <= row.ts < chosen.until
        and (not chosen.q_folded or chosen.q_folded in fold(row.text or ""))
    )


def show(row: Row) -> Json:
    """A row as GET /messages shows it."""
    message_id, sender, recipient, ts, text = row
    shown = {"message_id": message_id, "from": sender, "to": recipient}
    return shown | {"ts": show_instant(ts), "text": text}


def show_instant(ts: int) -> str:
    seconds, fraction = divmod(ts, 1_000_000)
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds, microseconds=fraction)  # noqa: DTZ001
    return rfc3339(moment)


def show_stats(totals: Totals) -> Json:
    """The answer of GET /stats."""
    return {
        "total_messages": totals.messages,
        "senders_count": totals.senders,
        "messages_per_sender": [
            {"from": sender, "count": count} for sender, count in totals.top_senders
        ],
        "first_message_ts": None if totals.first_ts is None else show_instant(totals.first_ts),
        "last_message_ts": None if totals.last_ts is None else show_instant(totals.last_ts),
    }
