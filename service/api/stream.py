"""Messages as NDJSON or CSV, a page at a time: what both exports send.

The walk is by cursor, as a walk along `next` of `GET /messages` is: every message that was there
when it began comes exactly once, and of those that arrive meanwhile, those that are still ahead of
it. No read lasts longer than one page, so that the database's log can be moved on in between.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from service.api.answers import StoredMessage
from service.messages.instants import format_instant
from service.messages.text import fold
from service.store.interface import Filter, Position, QueryTimeout, Row, Store

PAGE_MESSAGES_FIRST = 500
PAGE_MESSAGES_MIN = 250
"""A page costs something however short it is, and the more, the less of them is indexed."""

PAGE_MESSAGES_MAX = 2_000
PAGE_BYTES = 1 << 20
PAGE_SECONDS = 0.2
"""What a page is made to cost, by what the one before it did; at first it costs little."""

SEARCH_SECONDS_MAX = 1.0
"""How long the database may look for the next page of a search."""

CSV_FIELDS = ("message_id", "from", "to", "ts", "text")

_encode_lines = msgspec.json.Encoder().encode_lines


class Format(NamedTuple):
    """How messages are written one behind another."""

    name: str
    content_type: str
    head: bytes
    encode: Callable[[Sequence[Row]], bytes]


def show(row: Row) -> StoredMessage:
    """The message as the API shows it."""
    message_id, from_msisdn, to_msisdn, ts, text = row
    return StoredMessage(message_id, from_msisdn, to_msisdn, format_instant(ts), text)


def encode_ndjson(rows: Sequence[Row]) -> bytes:
    """One JSON object a line, the same as in `data` of `GET /messages`."""
    return _encode_lines([show(row) for row in rows])


def encode_csv(rows: Sequence[Row]) -> bytes:
    """RFC 4180, by hand: the csv module takes longer for it than the database for its rows.

    A text is quoted, so that one that is empty (`""`) is not taken for one that is not there.
    """
    lines = [
        f"{_quote(message_id)},{from_msisdn},{to_msisdn},{format_instant(ts)},"
        f"{'' if text is None else _quote(text)}\r\n"
        for message_id, from_msisdn, to_msisdn, ts, text in rows
    ]
    return "".join(lines).encode()


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


NDJSON = Format("ndjson", "application/x-ndjson", b"", encode_ndjson)
CSV = Format("csv", "text/csv; charset=utf-8", ",".join(CSV_FIELDS).encode() + b"\r\n", encode_csv)
FORMATS = {form.name: form for form in (NDJSON, CSV)}
FORMAT_RULE = " or ".join(FORMATS)


class Walk:
    """All messages that `chosen` has, oldest first, encoded a page at a time.

    A search whose next page is far away would be one long read. It goes on without the database's
    help: page after page of all messages is read, and looked at here.
    """

    def __init__(self, store: Store, chosen: Filter, form: Format) -> None:
        self._store = store
        self._chosen = chosen
        self._sieve = ""
        """What the database does not look for, and is looked for here."""
        self._form = form
        self._head = form.head
        self._after: Position | None = None
        self._page_messages = PAGE_MESSAGES_FIRST
        self.messages = 0
        """How many have come so far."""
        self.is_over = False

    async def next_chunk(self) -> bytes:
        """The next page; `is_over` tells whether it was the last one. Raises StoreError."""
        begun = time.perf_counter()
        rows = await self._next_rows()
        # In a thread, as the database is: meanwhile webhooks are served.
        chunk = await asyncio.to_thread(self._encode, rows)
        self.is_over = len(rows) < self._page_messages
        if not self.is_over:
            self._after = Position(rows[-1].ts, rows[-1].message_id)
            self._page_messages = next_page_messages(
                len(rows), len(chunk), time.perf_counter() - begun
            )
        return chunk

    async def _next_rows(self) -> list[Row]:
        if self._chosen.q_folded:
            try:
                return await self._page(SEARCH_SECONDS_MAX)
            except QueryTimeout:
                self._sieve = self._chosen.q_folded
                self._chosen = self._chosen._replace(q_folded="")
        return await self._page()

    async def _page(self, seconds_max: float = math.inf) -> list[Row]:
        return await self._store.page(
            self._chosen, self._after, 0, self._page_messages, seconds_max
        )

    def _encode(self, rows: Sequence[Row]) -> bytes:
        if self._sieve:
            rows = [row for row in rows if self._sieve in fold(row.text or "")]
        self.messages += len(rows)
        head, self._head = self._head, b""
        return head + self._form.encode(rows)


def next_page_messages(messages: int, page_bytes: int, seconds: float) -> int:
    """How many messages the next page should have, by what the last one cost."""
    share = min(2, PAGE_BYTES / max(page_bytes, 1), PAGE_SECONDS / seconds)
    return max(PAGE_MESSAGES_MIN, min(int(messages * share), PAGE_MESSAGES_MAX))
