"""Group commit: one transaction, and one fsync, for all waiting messages.

While a batch is being committed, new messages wait; when the commit returns, all of them are the
next batch. There is no timer: a single message commits at once, and batches grow under load.
Each batch that the store takes at a time has a task. A request only waits on a future.
"""

import asyncio
import time
from collections import deque

from service.errors import Unavailable
from service.messages.message import Message
from service.store.interface import DatabaseSilent, Outcome, Store, StoreError
from service.telemetry.logs import Log, format_exception
from service.telemetry.metrics import Metrics

BATCH_MESSAGES_MAX = 1_000
"""Bounds a transaction, and so the time until a full queue is answered."""


class GroupCommit:
    """Stores messages durably. `start` it before the first `submit`; `close` drains it."""

    def __init__(self, store: Store, metrics: Metrics, log: Log, queue_messages_max: int) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log
        self._queue_messages_max = queue_messages_max
        self._waiting: deque[tuple[Message, asyncio.Future[Outcome]]] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._writers: list[asyncio.Task[None]] = []
        metrics.queue_messages.set_function(self._waiting.__len__)

    def start(self) -> None:
        """Begin to write; needs a running event loop."""
        self._create_future = asyncio.get_running_loop().create_future
        self._writers = [
            asyncio.create_task(self._write_batches(), name=f"group-commit-{number}")
            for number in range(self._store.batches_in_flight)
        ]

    def submit(self, message: Message) -> "asyncio.Future[Outcome]":
        """A future outcome, done only after the commit of `message` is on stable storage.

        Raises Unavailable at once when the queue is full or the service is stopping. The future
        raises it when the commit fails.
        """
        if self._closing:
            raise Unavailable("the service is stopping")
        if len(self._waiting) >= self._queue_messages_max:
            raise Unavailable("too many messages wait for their commit (QUEUE_LIMIT)")
        future: asyncio.Future[Outcome] = self._create_future()
        self._waiting.append((message, future))
        self._arrived.set()
        return future

    async def close(self) -> None:
        """Take no more messages, and return when every message taken has its outcome."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._writers)

    async def _write_batches(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._write_batch(self._take_batch())
            if self._closing:
                return

    def _take_batch(self) -> list[tuple[Message, asyncio.Future[Outcome]]]:
        count = min(len(self._waiting), BATCH_MESSAGES_MAX)
        return [self._waiting.popleft() for _ in range(count)]

    async def _write_batch(self, batch: list[tuple[Message, asyncio.Future[Outcome]]]) -> None:
        started = time.perf_counter()
        try:
            outcomes = await self._store.insert([message for message, _ in batch])
            if len(outcomes) != len(batch):
                raise StoreError(f"{len(batch)} messages have {len(outcomes)} outcomes")
        except Exception as error:
            # Whatever it is, no request may wait for ever, and the next batch is tried.
            self._refuse(batch, error)
            return
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_messages.observe(len(batch))
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    def _refuse(
        self, batch: list[tuple[Message, asyncio.Future[Outcome]]], error: Exception
    ) -> None:
        if isinstance(error, DatabaseSilent):
            # The messages after this batch would wait as long once more.
            batch = [*batch, *self._waiting]
            self._waiting.clear()
        reason = str(error) if isinstance(error, StoreError) else format_exception(error)
        self._log.error("commit_failed", messages=len(batch), reason=reason)
        for _, future in batch:
            if not future.done():
                future.set_exception(Unavailable("the message could not be stored"))
