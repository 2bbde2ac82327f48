"""A walk along all messages: NDJSON or CSV, one page at a time, as both exports send it.

The walk goes by cursor, as `next` of `GET /messages` does. Every message that was there when it
began comes exactly once. A message that arrives meanwhile comes if its place is still ahead. No
read lasts longer than a page, so that the WAL can be checkpointed in between.
"""

import asyncio
import codecs
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from service.api.answers import show
from service.messages.instants import format_instant
from service.messages.text import fold
from service.store.interface import Filter, Position, QueryTimeout, Reader, Row

PAGE_MESSAGES_FIRST = 500
PAGE_MESSAGES_MIN = 250
"""A shorter page would cost about as much: each page looks at all unindexed messages."""

PAGE_MESSAGES_MAX = 2_000
PAGE_BYTES = 1 << 20
PAGE_SECONDS = 0.2
"""What a page may cost. The size of a page follows from the cost of the page before."""

SEARCH_SECONDS_MAX = 1.0
"""How long the database may look for the next page of a search."""

CSV_FIELDS = ("message_id", "from", "to", "ts", "text")

MARKED = ("=", "+", "-", "@", "\t", "\r", "'")
"""What begins a formula (OWASP, CSV Injection), and the apostrophe that marks a cell as text."""

_encode_lines = msgspec.json.Encoder().encode_lines


class Format(NamedTuple):
    """How messages are written one after another."""

    name: str
    content_type: str
    head: bytes
    encode: Callable[[Sequence[Row]], bytes]


def encode_ndjson(rows: Sequence[Row]) -> bytes:
    """One JSON object a line, the same as in `data` of `GET /messages`."""
    return _encode_lines([show(row) for row in rows])


def encode_csv(rows: Sequence[Row]) -> bytes:
    """RFC 4180, without the csv module, which takes longer than the database.

    A text is quoted, and null is not: so an empty text (`""`) differs from null. Numbers are not.
    """
    lines = [
        f"{_quote(message_id)},{_quote_name(sender)},{_quote_name(recipient)},{format_instant(ts)},"
        f"{'' if text is None else _quote(text)}\r\n"
        for message_id, sender, recipient, ts, text in rows
    ]
    return "".join(lines).encode()


def encode_excel(rows: Sequence[Row]) -> bytes:
    """CSV that a spreadsheet shows as it is: no cell is taken for a formula.

    To read a cell back, remove one apostrophe from its beginning.
    """
    return encode_csv([_as_text(row) for row in rows])


def _as_text(row: Row) -> Row:
    message_id, sender, recipient, ts, text = row
    shown = None if text is None else _mark_as_text(text)
    return Row(_mark_as_text(message_id), f"'{sender}", f"'{recipient}", ts, shown)


def _mark_as_text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(MARKED) else cell


def _quote_name(address: str) -> str:
    return address if address.lstrip("'+").isdecimal() else _quote(address)


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


NDJSON = Format("ndjson", "application/x-ndjson", b"", encode_ndjson)
CSV = Format("csv", "text/csv; charset=utf-8", ",".join(CSV_FIELDS).encode() + b"\r\n", encode_csv)
EXCEL = CSV._replace(head=codecs.BOM_UTF8 + CSV.head, encode=encode_excel)
FORMATS = {form.name: form for form in (NDJSON, CSV)}


class Walk:
    """All messages that match `chosen`, oldest first, encoded one page at a time.

    A search can need a long read to find its next page. The walk then stops asking the database to
    search: it reads all messages page by page, and searches them itself.
    """

    def __init__(self, store: Reader, chosen: Filter, form: Format) -> None:
        self._store = store
        self._chosen = chosen
        self._q_folded = ""
        """What the walk searches for by itself."""
        self._form = form
        self._head = form.head
        self._after: Position | None = None
        self._page_messages = PAGE_MESSAGES_FIRST
        self.count = 0
        """How many have come so far."""
        self.is_over = False

    async def next_chunk(self) -> bytes:
        """The next page, encoded; then `is_over` tells if it was the last. Raises StoreError."""
        begun = time.perf_counter()
        rows = await self._next_rows()
        # In a thread, so that webhooks are served meanwhile.
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
                self._q_folded = self._chosen.q_folded
                self._chosen = self._chosen._replace(q_folded="")
        return await self._page()

    async def _page(self, seconds_max: float = math.inf) -> list[Row]:
        return await self._store.page(
            self._chosen, self._after, 0, self._page_messages, seconds_max
        )

    def _encode(self, rows: Sequence[Row]) -> bytes:
        if self._q_folded:
            rows = [row for row in rows if self._q_folded in fold(row.text or "")]
        self.count += len(rows)
        head, self._head = self._head, b""
        return head + self._form.encode(rows)


def next_page_messages(messages: int, page_bytes: int, seconds: float) -> int:
    """How many messages the next page should have, given the cost of the last one."""
    share = min(2, PAGE_BYTES / max(page_bytes, 1), PAGE_SECONDS / seconds)
    return max(PAGE_MESSAGES_MIN, min(int(messages * share), PAGE_MESSAGES_MAX))
