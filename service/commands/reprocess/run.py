"""One run: a batch of events is read, judged and mended, and then the next one."""

import asyncio
from collections.abc import Sequence

from service.commands.patience import PAUSE_SECONDS, Patience
from service.commands.progress import ProgressLine
from service.commands.reprocess.report import Tally
from service.commands.reprocess.rules import Rules, StillRefused
from service.store.interface import EventFilter, EventPosition, EventRow, Mended, Reader, Store

BATCH_EVENTS = 200
BATCH_BYTES = 4 << 20
"""Of bodies. A batch of one event may have more."""


class Run:
    """Mends the events that have a problem; `tally` says how many."""

    def __init__(self, rules: Rules, source: str | None) -> None:
        self.tally = Tally()
        self.line = ProgressLine()
        self.patience = Patience(self.line.tell)
        self._rules = rules
        self._chosen = EventFilter(source=source, has_problem=True)

    async def run(self, reader: Reader, store: Store | None) -> None:
        """Return when all are looked at, or soon after a stop. Without a store nothing is changed.

        Each event is looked at once: one that is still refused keeps its place in the order.
        """
        after: EventPosition | None = None
        has_more = True
        while has_more and not self.patience.is_stopped:
            page = await reader.events(self._chosen, after, BATCH_EVENTS, BATCH_BYTES)
            mended = self._judge(page.rows)
            if store is not None and mended:
                await self._resolve(store, mended)
            self.tally.mended += len(mended)
            self.line.show(f"reprocessing  {self.tally.looked_at:,} events")
            has_more = page.has_more
            after = page.rows[-1].position if page.rows else after

    async def _resolve(self, store: Store, mended: Sequence[Mended]) -> None:
        self.tally.outcomes.update(await self.patience.use(lambda: store.resolve(mended)))
        await asyncio.sleep(PAUSE_SECONDS)  # webhooks get their turn

    def _judge(self, events: Sequence[EventRow]) -> list[Mended]:
        mended = []
        for event in events:
            try:
                messages = self._rules.read(event)
            except StillRefused as refusal:
                self.tally.refused[str(refusal)] += 1
            else:
                self.tally.messages += len(messages)
                mended.append(Mended(event.source, event.event_id, messages))
        return mended
