"""What the API answers: the shapes, their encoder, and how an answer is sent.

`openapi.json` describes the same shapes for clients; the tests hold one to the other.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from starlette.types import Send

from service.errors import Refusal
from service.messages.instants import format_instant
from service.store.interface import Row

Headers = Sequence[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
OK = b'{"status":"ok"}'
READY = b'{"status":"ready"}'

encode = msgspec.json.Encoder().encode


class StoredMessage(msgspec.Struct, gc=False, frozen=True):
    """A message as `GET /messages` shows it."""

    message_id: str
    from_msisdn: str = msgspec.field(name="from")
    to_msisdn: str = msgspec.field(name="to")
    ts: str
    text: str | None


class Page(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /messages`."""

    data: list[StoredMessage]
    total: int | None
    limit: int
    offset: int
    next: str | None


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


def show(row: Row) -> StoredMessage:
    """The message of a row, as the API shows it."""
    message_id, from_msisdn, to_msisdn, ts, text = row
    return StoredMessage(message_id, from_msisdn, to_msisdn, format_instant(ts), text)


def encode_refusal(detail: str) -> bytes:
    """The body of every error."""
    return encode(Refusal(detail))


async def send_json(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send an answer whose body is encoded already."""
    await send_body(send, status, body, (JSON, *headers))


async def send_body(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> None:
    """Send an answer whose body has a known length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
