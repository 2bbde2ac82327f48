"""A walk along events, oldest first, one page at a time."""

import asyncio
from collections.abc import Sequence

from service.commands.event_lines import encode_line
from service.store.interface import EventFilter, EventPosition, EventRow, Reader

PAGE_EVENTS = 1_000
PAGE_BYTES = 4 << 20
"""Of bodies. A page of one event may have more."""


class EventWalk:
    """All events that match `chosen`, as NDJSON.

    Every event that was there when it began comes exactly once. No read lasts longer than a page,
    so that the WAL can be checkpointed in between.
    """

    def __init__(self, reader: Reader, chosen: EventFilter) -> None:
        self._reader = reader
        self._chosen = chosen
        self._after: EventPosition | None = None
        self.count = 0
        """How many have come so far."""
        self.is_over = False

    async def next_chunk(self) -> bytes:
        """The next page; then `is_over` tells if it was the last. Raises StoreError."""
        page = await self._reader.events(self._chosen, self._after, PAGE_EVENTS, PAGE_BYTES)
        self.count += len(page.rows)
        self.is_over = not page.has_more
        if page.rows:
            self._after = page.rows[-1].position
        return await asyncio.to_thread(_encode, page.rows)


def _encode(rows: Sequence[EventRow]) -> bytes:
    return b"".join(map(encode_line, rows))
