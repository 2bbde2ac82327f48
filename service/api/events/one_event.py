"""GET /events/{source}/{event_id}, and …/body: one event, and the bytes that came."""

import asyncio
import re

import msgspec
from starlette.types import Receive, Scope, Send

from service.api.answers import JSON, StoredEvent, encode
from service.api.events.bodies import show_body
from service.api.large_answers import LargeAnswers
from service.api.paths import read_ids
from service.errors import NoSuchEvent
from service.messages.instants import format_instant
from service.store.interface import EventRow, Reader

FILE_NAME_CHARACTERS_MAX = 100

_unsafe = re.compile(r"[^A-Za-z0-9._-]+")


class OneEvent:
    """Answers the event whose source and percent-encoded id end the path."""

    def __init__(self, store: Reader, answers: LargeAnswers) -> None:
        self._store = store
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        row = await _find(self._store, scope)
        body = await asyncio.to_thread(lambda: encode(show_event(row)))
        await self._answers.send(send, body, [JSON])


class EventBody:
    """Answers the bytes of an event's body, as a file that no browser opens or runs."""

    def __init__(self, store: Reader, answers: LargeAnswers) -> None:
        self._store = store
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        row = await _find(self._store, scope)
        headers = [
            # Not the type that the sender gave: a browser would believe it.
            (b"content-type", b"application/octet-stream"),
            (b"content-disposition", f'attachment; filename="{_file_name(row)}"'.encode()),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await self._answers.send(send, row.body, headers)


def show_event(row: EventRow) -> StoredEvent:
    """The event of a row, as the API shows it."""
    return StoredEvent(
        source=row.source,
        event_id=row.event_id,
        type=row.type,
        received_at=format_instant(row.received_at),
        headers=msgspec.Raw(row.headers.encode()),
        content_type=row.content_type,
        body=show_body(row.body),
        problem=row.problem,
        message_ids=row.message_ids,
    )


async def _find(store: Reader, scope: Scope) -> EventRow:
    try:
        source, event_id = read_ids(scope)
    except ValueError:
        raise NoSuchEvent from None
    row = await store.event(source, event_id)
    if row is None:
        raise NoSuchEvent
    return row


def _file_name(row: EventRow) -> str:
    name = _unsafe.sub("_", f"{row.source}-{row.event_id}")
    return f"{name[:FILE_NAME_CHARACTERS_MAX]}.bin"
