"""Deliveries: some of them repeated, each due at its time."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

# A repeat repeats one of so many recent deliveries, or of so many bytes of them, whichever is less.
RECENT_DELIVERIES = 1024
RECENT_BYTES = 16 << 20

PIPE_WAIT_SECONDS = 0.001
"""A longer wait for a message is a wait for a pipe. To make up a message takes less."""


class Delivery(NamedTuple):
    """One request; `due_seconds` is on the clock of `time.perf_counter`.

    It is signed when it is sent: some providers sign the time.
    """

    body: bytes
    event_id: str = ""
    """Empty for a message, whose id is in its body."""
    repeat: bool = False
    due_seconds: float | None = None


class Recent:
    """The latest deliveries, from which repeats are taken."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._bytes = 0

    def add(self, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self._bytes += len(delivery.body)
        while self._are_too_many:
            self._bytes -= len(self._deliveries.popleft().body)

    @property
    def _are_too_many(self) -> bool:
        count = len(self._deliveries)
        return count > RECENT_DELIVERIES or (count > 1 and self._bytes > RECENT_BYTES)

    def repeat(self) -> Delivery:
        """One of them at random, byte for byte."""
        return random.choice(self._deliveries)._replace(repeat=True)  # noqa: S311 - not a secret


async def repeated(
    deliveries: AsyncIterator[Delivery], repeats_percent: float
) -> AsyncIterator[Delivery]:
    """Yield each delivery, with repeats in between.

    `repeats_percent`, below 100, is the share of repeats. They are spread evenly: among the first n
    deliveries there are n * repeats_percent / 100 repeats, rounded down, for every n.
    """
    recent, sent, repeats = Recent(), 0, 0
    async for delivery in deliveries:
        recent.add(delivery)
        sent += 1
        yield delivery
        while repeats < int((sent + 1) * repeats_percent / 100):
            repeats += 1
            sent += 1
            yield recent.repeat()


async def first(deliveries: AsyncIterator[Delivery], count: int | None) -> AsyncIterator[Delivery]:
    """Yield the first `count` deliveries, 1 or more; all if it is None."""
    sent = 0
    async for delivery in deliveries:
        yield delivery
        sent += 1
        if sent == count:
            return


async def paced(deliveries: AsyncIterator[Delivery], rate: float) -> AsyncIterator[Delivery]:
    """Yield `rate` deliveries a second, each at its time; a late one at once.

    The times depend on the clock only, not on answers: during a stall of the service, messages
    still become due, and their latency counts the wait. A wait for a silent pipe is not the
    service's fault, so it moves all later times.
    """
    start, number = time.perf_counter(), 0
    asked = start
    async for delivery in deliveries:
        arrived = time.perf_counter()
        waited = arrived - asked
        due = start + number / rate
        if waited > PIPE_WAIT_SECONDS and arrived > due:
            late = min(arrived - due, waited)
            start, due = start + late, due + late
        await _sleep_until(due)
        yield delivery._replace(due_seconds=due)
        asked, number = time.perf_counter(), number + 1


async def _sleep_until(due_seconds: float) -> None:
    # In a loop: the event loop's timers tick in milliseconds, and may fire early.
    while (wait := due_seconds - time.perf_counter()) > 0:  # noqa: ASYNC110 - no event to await
        await asyncio.sleep(wait)
