"""What the API answers: the shapes, their encoder, and how an answer is sent.

`openapi.json` describes the same shapes for clients; the tests hold one to the other.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from starlette.types import Send

from service.errors import Refusal
from service.messages.instants import format_instant
from service.store.interface import Row

Headers = Sequence[tuple[bytes, bytes]]

PIECE_BYTES = 16 * 1024

JSON = (b"content-type", b"application/json")
READY = b'{"status":"ready"}'

encode = msgspec.json.Encoder().encode


class StoredMessage(msgspec.Struct, gc=False, frozen=True):
    """A message as `GET /messages` shows it."""

    message_id: str
    from_msisdn: str = msgspec.field(name="from")
    to_msisdn: str = msgspec.field(name="to")
    ts: str
    text: str | None


class EventName(msgspec.Struct, gc=False, frozen=True):
    """Which event: `GET /events/{source}/{event_id}`."""

    source: str
    id: str


class OneMessage(StoredMessage, gc=False, frozen=True, kw_only=True):
    """The answer of `GET /messages/{message_id}`: its event too, if one brought it."""

    event: EventName | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /messages`."""

    data: list[StoredMessage]
    total: int | None
    limit: int
    offset: int
    next: str | None


class StoredEvent(msgspec.Struct, gc=False, frozen=True):
    """An event as `GET /events` shows it."""

    source: str
    event_id: str = msgspec.field(name="id")
    type: str | None
    received_at: str
    headers: msgspec.Raw
    """A JSON object, as it is stored."""
    content_type: str | None
    body: msgspec.Raw
    """See `events.bodies.show_body`."""
    problem: str | None
    message_ids: Sequence[str]


class PageOfEvents(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /events`."""

    data: list[StoredEvent]
    next: str | None


class RefusedWebhook(msgspec.Struct, gc=False, frozen=True):
    """One of the last webhooks that a source could not deliver."""

    refused_at: str
    reason: str
    client: str
    body_bytes: int


class SourceState(msgspec.Struct, gc=False, frozen=True):
    """What one source sent."""

    source: str
    scheme: str | None
    events: int
    problems: int
    last_received_at: str | None
    rejections: Mapping[str, int]
    last_rejections: list[RefusedWebhook]


class StateOfSources(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /sources`."""

    data: list[SourceState]


class SenderCount(msgspec.Struct, gc=False, frozen=True):
    """How many messages one sender has."""

    from_msisdn: str = msgspec.field(name="from")
    count: int


class Stats(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /stats`."""

    total_messages: int
    senders_count: int
    messages_per_sender: list[SenderCount]
    first_message_ts: str | None
    last_message_ts: str | None


class NotReady(msgspec.Struct, gc=False, frozen=True):
    """Why webhooks cannot be verified or stored now."""

    status: Literal["not ready"]
    detail: str


def show_one(row: Row, event: tuple[str, str] | None) -> OneMessage:
    """The message of a row, and the (source, id) of the event that brought it."""
    message_id, from_msisdn, to_msisdn, ts, text = row
    name = msgspec.UNSET if event is None else EventName(*event)
    return OneMessage(message_id, from_msisdn, to_msisdn, format_instant(ts), text, event=name)


def show(row: Row) -> StoredMessage:
    """The message of a row, as the API shows it."""
    message_id, from_msisdn, to_msisdn, ts, text = row
    return StoredMessage(message_id, from_msisdn, to_msisdn, format_instant(ts), text)


def encode_refusal(detail: str) -> bytes:
    """The body of every error."""
    return encode(Refusal(detail))


class FixedAnswer:
    """An answer that is always the same: its head is made once."""

    def __init__(self, status: int, body: bytes, content_type: bytes = JSON[1]) -> None:
        self._status = status
        self._body = body
        self._headers = [(b"content-length", b"%d" % len(body)), (b"content-type", content_type)]

    async def send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self._status, "headers": self._headers}
        )
        await send({"type": "http.response.body", "body": self._body})


OK = FixedAnswer(200, b'{"status":"ok"}')


async def send_json(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send an answer whose body is encoded already."""
    await send_body(send, status, body, (JSON, *headers))


async def send_pieces(send: Send, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Send a 200 with a large body, of which a client that takes nothing gets one piece."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
    for at in range(0, len(body), PIECE_BYTES):
        piece = body[at : at + PIECE_BYTES]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        # What is written in one turn of the event loop is joined (service/http/transport.py).
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


async def send_body(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> None:
    """Send an answer whose body has a known length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
