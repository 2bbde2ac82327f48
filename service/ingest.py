"""Group commit: one transaction, and one fsync, for all waiting messages and events.

While a batch is being committed, what arrives waits; when the commit returns, all of it is the next
batch. There is no timer: a single message commits at once, and batches grow under load.
Each batch that the store takes at a time has a task. A request only waits on a future.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from service.errors import Unavailable
from service.messages.event import Event
from service.messages.message import Message
from service.store.interface import DatabaseSilent, Outcome, Store, StoreError
from service.telemetry.logs import Log, format_exception
from service.telemetry.metrics import Metrics

BATCH_MESSAGES_MAX = 1_000
"""Bounds a transaction, and so the time until a full queue is answered."""

BATCH_BYTES_MAX = 16 * 2**20
QUEUE_BYTES_MAX = 32 * 2**20
"""What waiting events may hold in memory; one alone may hold more."""

FutureOutcome: TypeAlias = "asyncio.Future[Outcome]"
WaitingMessages: TypeAlias = Sequence[tuple[Message, FutureOutcome]]
WaitingEvents: TypeAlias = Sequence[tuple[Event, FutureOutcome, int]]
"""Each with its size in bytes."""


class GroupCommit:
    """Stores messages and events durably.

    `start` it before the first `submit`; `close` drains it. Messages and events have a queue each,
    and a batch takes from both.
    """

    def __init__(self, store: Store, metrics: Metrics, log: Log, queue_messages_max: int) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log
        self._queue_messages_max = queue_messages_max
        self._waiting: deque[tuple[Message, FutureOutcome]] = deque()
        self._waiting_events: deque[tuple[Event, FutureOutcome, int]] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._closing = False
        self._writers: list[asyncio.Task[None]] = []
        metrics.queue_messages.set_function(self._count_waiting)

    def start(self) -> None:
        """Begin to write; needs a running event loop."""
        self._create_future = asyncio.get_running_loop().create_future
        self._writers = [
            asyncio.create_task(self._write_batches(), name=f"group-commit-{number}")
            for number in range(self._store.batches_in_flight)
        ]

    def submit(self, message: Message) -> FutureOutcome:
        """A future outcome, done only after the commit of `message` is on stable storage.

        Raises Unavailable at once when the queue is full or the service is stopping. The future
        raises it when the commit fails.
        """
        if self._closing:
            raise Unavailable("the service is stopping")
        if len(self._waiting) + len(self._waiting_events) >= self._queue_messages_max:
            raise Unavailable("too many messages wait for their commit (QUEUE_LIMIT)")
        future: FutureOutcome = self._create_future()
        self._waiting.append((message, future))
        self._arrived.set()
        return future

    def submit_event(self, event: Event) -> FutureOutcome:
        """The same for an event and the messages that it brings."""
        if self._closing:
            raise Unavailable("the service is stopping")
        if self._count_waiting() >= self._queue_messages_max:
            raise Unavailable("too many events wait for their commit (QUEUE_LIMIT)")
        size = len(event.body) + len(event.headers)
        if self._waiting_bytes and self._waiting_bytes + size > QUEUE_BYTES_MAX:
            raise Unavailable("too many large events wait for their commit")
        self._waiting_bytes += size
        future: FutureOutcome = self._create_future()
        self._waiting_events.append((event, future, size))
        self._arrived.set()
        return future

    async def close(self) -> None:
        """Take no more, and return when everything taken has its outcome."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._writers)

    def _count_waiting(self) -> int:
        return len(self._waiting) + len(self._waiting_events)

    async def _write_batches(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting or self._waiting_events:
                await self._write_batch(self._take_messages(), self._take_events())
            if self._closing:
                return

    def _take_messages(self) -> WaitingMessages:
        count = min(len(self._waiting), BATCH_MESSAGES_MAX)
        return [self._waiting.popleft() for _ in range(count)]

    def _take_events(self) -> WaitingEvents:
        """As many as a batch may hold, with what they bring; one at least."""
        taken: list[tuple[Event, FutureOutcome, int]] = []
        rows = bytes_taken = 0
        while self._waiting_events:
            event, _, size = self._waiting_events[0]
            rows += 1 + len(event.messages)
            if taken and (rows > BATCH_MESSAGES_MAX or bytes_taken + size > BATCH_BYTES_MAX):
                break
            taken.append(self._waiting_events.popleft())
            bytes_taken += size
        self._waiting_bytes -= bytes_taken
        return taken

    async def _write_batch(self, messages: WaitingMessages, events: WaitingEvents) -> None:
        started = time.perf_counter()
        futures = [future for _, future in messages] + [future for _, future, _ in events]
        try:
            outcomes = await self._store.insert(
                [message for message, _ in messages], [event for event, _, _ in events]
            )
            if len(outcomes) != len(futures):
                raise StoreError(f"{len(futures)} messages have {len(outcomes)} outcomes")
        except Exception as error:
            # Whatever it is, no request may wait for ever, and the next batch is tried.
            self._refuse(futures, error)
            return
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_messages.observe(len(futures))
        for future, outcome in zip(futures, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    def _refuse(self, futures: list[FutureOutcome], error: Exception) -> None:
        if isinstance(error, DatabaseSilent):
            # What waits after this batch would wait as long once more.
            while self._waiting or self._waiting_events:
                futures += [future for _, future in self._take_messages()]
                futures += [future for _, future, _ in self._take_events()]
        reason = str(error) if isinstance(error, StoreError) else format_exception(error)
        self._log.error("commit_failed", messages=len(futures), reason=reason)
        for future in futures:
            if not future.done():
                future.set_exception(Unavailable("it could not be stored"))
