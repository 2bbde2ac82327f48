"""From messages to deliveries: signed, some of them repeated, each due at its time."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

# How far back a repeat may reach, whichever is less: enough to be apart from its first delivery,
# and bounded, whatever is sent.
RECENT_DELIVERIES = 1024
RECENT_BYTES = 16 << 20

# Waiting longer than this for a message is waiting for a pipe, not making one up.
PIPE_WAIT_SECONDS = 0.001


class Delivery(NamedTuple):
    """One request to be sent; `due_seconds` is on the clock of `time.perf_counter`."""

    body: bytes
    signature: str
    repeat: bool = False
    due_seconds: float | None = None


class Recent:
    """The latest deliveries, to repeat one of them."""

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


async def signed(
    bodies: AsyncIterator[bytes], sign: Callable[[bytes], str], repeats_percent: float
) -> AsyncIterator[Delivery]:
    """Yield each body signed, with repeats in between.

    Of the first n deliveries, `repeats_percent` hundredths of n, rounded down, are repeats: spread
    evenly rather than drawn, so that the share is exact at every n. Must be below 100.
    """
    recent, sent, repeats = Recent(), 0, 0
    async for body in bodies:
        delivery = Delivery(body, sign(body))
        recent.add(delivery)
        sent += 1
        yield delivery
        while repeats < int((sent + 1) * repeats_percent / 100):
            repeats += 1
            sent += 1
            yield recent.repeat()


async def first(deliveries: AsyncIterator[Delivery], count: int | None) -> AsyncIterator[Delivery]:
    """Yield the first `count` of them, 1 or more, or all when it is None."""
    sent = 0
    async for delivery in deliveries:
        yield delivery
        sent += 1
        if sent == count:
            return


async def paced(deliveries: AsyncIterator[Delivery], rate: float) -> AsyncIterator[Delivery]:
    """Yield `rate` deliveries a second, each at its time or, when that has passed, at once.

    The times come from the clock alone, never from how fast answers arrive: a service that stalls
    is charged for every message that should have been sent meanwhile. A pipe that has nothing to
    send is not the service's fault: the times after such a wait are put off by it.
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
    # More than once, because the loop's timers tick in milliseconds, and may fire early.
    while (wait := due_seconds - time.perf_counter()) > 0:  # noqa: ASYNC110 - no event to await
        await asyncio.sleep(wait)
