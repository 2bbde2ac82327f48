"""Group commit: one transaction, and one fsync, for all the messages that wait.

While one batch is being committed, what arrives is collected; when the commit returns, everything
collected goes into the next one. No timer: alone, a message commits at once; under load, batches
grow by themselves. As many tasks write as the store takes batches at a time; requests only wait on
a future.
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
"""Bounds the size of one transaction, and with it how long a full queue takes to answer."""


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
        """A future of what became of `message`, done only after its commit is on stable storage.

        Raises Unavailable at once when the queue is full or the service is stopping; the future
        raises it when the commit failed.
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
        """Take no more messages, and return when every one taken has its answer."""
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
            # Whatever went wrong, nobody may wait for ever, and the next batch gets its chance.
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
            # Whoever has waited behind this batch would wait as long once more.
            batch = [*batch, *self._waiting]
            self._waiting.clear()
        reason = str(error) if isinstance(error, StoreError) else format_exception(error)
        self._log.error("commit_failed", messages=len(batch), reason=reason)
        for _, future in batch:
            if not future.done():
                future.set_exception(Unavailable("the message could not be stored"))
