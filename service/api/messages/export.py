"""GET /messages/export: all messages, or those that a filter chooses, as one stream."""

import asyncio
import contextlib
from asyncio import Task
from collections.abc import Iterator

from starlette.types import Receive, Scope, Send

from service.api.answers import Headers
from service.api.messages.walk import CSV, EXCEL, FORMATS, NDJSON, Format, Walk
from service.api.parameters import FILTERS, boolean, read, read_filter, split_query
from service.errors import ClientLeft, InvalidParameter, Unavailable
from service.store.interface import Filter, Store

PARAMETERS = ("format", "excel", *FILTERS)

EXPORTS_MAX = 8
"""At a time. Each holds a page or two in memory for as long as its client reads slowly."""


class Export:
    """Streams a walk, and reads no page before the client has taken the page before the last.

    The answer is chunked (RFC 9112, 7.1). A failure after the head ends the connection without the
    last chunk, so that a client can tell a part from the whole.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way = 0
        # All exports together read one page at a time: other reads come in between.
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen, form = parse_query(scope["query_string"])
        walk = Walk(self._store, chosen, form)
        with self._admitted(), _watching(receive) as leaving:
            chunk = await self._next_chunk(walk)
            await send({"type": "http.response.start", "status": 200, "headers": _headers(form)})
            while not walk.is_over and scope["method"] != "HEAD":
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                _expect_client(leaving)
                chunk = await self._next_chunk(walk)
            _expect_client(leaving)
            await send({"type": "http.response.body", "body": chunk})

    async def _next_chunk(self, walk: Walk) -> bytes:
        async with self._turn:
            return await walk.next_chunk()

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._under_way >= EXPORTS_MAX:
            raise Unavailable(f"{EXPORTS_MAX} exports are under way: come back when one has ended")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


def parse_query(query_string: bytes) -> tuple[Filter, Format]:
    """What to export, and how. Raises InvalidParameter, which names the parameter."""
    given = split_query(query_string, PARAMETERS)
    form = read(given, "format", NDJSON, _format, " or ".join(FORMATS))
    if read(given, "excel", False, boolean, "true or false"):
        if form is not CSV:
            raise InvalidParameter("excel goes with format=csv")
        form = EXCEL
    return read_filter(given), form


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ValueError
    return FORMATS[name]


def _headers(form: Format) -> Headers:
    disposition = f'attachment; filename="messages.{form.name}"'
    return [
        (b"content-type", form.content_type.encode()),
        (b"content-disposition", disposition.encode()),
    ]


@contextlib.contextmanager
def _watching(receive: Receive) -> Iterator[Task[None]]:
    """A task that ends when the client leaves: a send to a client that has left raises nothing."""

    async def wait() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(wait())
    try:
        yield task
    finally:
        task.cancel()


def _expect_client(leaving: Task[None]) -> None:
    if leaving.done():
        raise ClientLeft
