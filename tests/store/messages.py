"""Messages for the store's tests, without the HTTP that they usually come by."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from service.messages.message import Message
from service.messages.text import fold_if_other
from service.store.interface import Row, Store

NOON = 1_736_942_400_000_000
"""2025-01-15T12:00:00Z, in microseconds since 1970."""


def message(
    message_id: str,
    *,
    from_msisdn: str = "+4917012345",
    to_msisdn: str = "+3361234567",
    ts: int = NOON,
    text: str | None = "Hello",
) -> Message:
    """A message as the service hands it to the store."""
    return Message(message_id, from_msisdn, to_msisdn, ts, text, fold_if_other(text))


def row(message: Message) -> Row:
    """What the store must give back for a message that it took."""
    return Row(message.message_id, message.from_msisdn, message.to_msisdn, message.ts, message.text)


@asynccontextmanager
async def meanwhile_inserting(store: Store, *messages: Message) -> AsyncIterator[None]:
    """Inside the `async with`, a task inserts these messages, each time under new ids."""

    async def insert() -> None:
        for number in itertools.count():
            await store.insert(
                [
                    msgspec.structs.replace(each, message_id=f"{number}-{each.message_id}")
                    for each in messages
                ]
            )

    task = asyncio.create_task(insert())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
