"""What the API answers: msgspec structs, and the one encoder of them."""

from typing import Annotated, Literal

import msgspec

from service.messages.instants import Instant
from service.messages.message import MessageId, Msisdn, Text

encode = msgspec.json.Encoder().encode

Count = Annotated[int, msgspec.Meta(ge=0)]


class StoredMessage(msgspec.Struct, gc=False, frozen=True):
    """A message as `GET /messages` shows it."""

    message_id: MessageId
    from_msisdn: Msisdn = msgspec.field(name="from")
    to_msisdn: Msisdn = msgspec.field(name="to")
    ts: Instant
    text: Text | None


class Page(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /messages`."""

    data: list[StoredMessage]
    total: Count | None
    limit: Count
    offset: Count
    next: str | None


class SenderCount(msgspec.Struct, gc=False, frozen=True):
    """How many messages one sender has."""

    from_msisdn: Msisdn = msgspec.field(name="from")
    count: Count


class Stats(msgspec.Struct, gc=False, frozen=True):
    """The answer of `GET /stats`."""

    total_messages: Count
    senders_count: Count
    messages_per_sender: list[SenderCount]
    first_message_ts: Instant | None
    last_message_ts: Instant | None


class Ok(msgspec.Struct, gc=False, frozen=True):
    """It is done: the message is on stable storage, or the process answers."""

    status: Literal["ok"]


class Readiness(msgspec.Struct, gc=False, frozen=True):
    """Webhooks can be verified and stored."""

    status: Literal["ready"]


class NotReady(msgspec.Struct, gc=False, frozen=True):
    """Why webhooks can't be verified or stored now."""

    status: Literal["not ready"]
    detail: str


class Refusal(msgspec.Struct, gc=False, frozen=True):
    """What every error answers: one sentence that names the field, the parameter or the limit."""

    detail: str
