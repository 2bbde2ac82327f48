"""GET /stats: the counts that the database keeps."""

from starlette.types import Receive, Scope, Send

from service.api.answers import SenderCount, Stats, encode, send_json
from service.messages.instants import format_instant
from service.store.interface import Store, Totals


class StatsOfMessages:
    """Answers the totals, and the senders with most messages."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, encode(_show(await self._store.totals())))


def _show(totals: Totals) -> Stats:
    return Stats(
        total_messages=totals.messages,
        senders_count=totals.senders,
        messages_per_sender=[SenderCount(*sender) for sender in totals.top_senders],
        first_message_ts=None if totals.first_ts is None else format_instant(totals.first_ts),
        last_message_ts=None if totals.last_ts is None else format_instant(totals.last_ts),
    )
