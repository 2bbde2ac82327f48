"""Group commit on a store that does as it is told."""

import asyncio
from collections.abc import Sequence
from typing import cast

from service.ingest import GroupCommit
from service.messages.event import Event
from service.messages.message import Message
from service.store.interface import Outcome, Store
from service.telemetry.logs import Log
from service.telemetry.metrics import Metrics


class FakeStore:
    """Takes each batch at its `insert`, and ends it with the next of `results`, when it may."""

    def __init__(self, batches_in_flight: int = 1) -> None:
        self.batches_in_flight = batches_in_flight
        self.batches: list[list[str]] = []
        self.results: list[Exception | list[Outcome]] = []
        self.has_batch = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self._inserting = 0

    async def insert(
        self, messages: Sequence[Message], events: Sequence[Event] = ()
    ) -> list[Outcome]:
        self._inserting += 1
        assert self._inserting <= self.batches_in_flight
        ids = [message.message_id for message in messages] + [event.event_id for event in events]
        self.batches.append(ids)
        self.has_batch.set()
        await self.may_end.wait()
        self._inserting -= 1
        result = self.results.pop(0) if self.results else [Outcome.CREATED] * len(ids)
        if isinstance(result, Exception):
            raise result
        return result

    async def begin_a_batch_that_stays(self, commit: GroupCommit) -> "asyncio.Future[Outcome]":
        """Submit a message, and wait until the store has it and keeps it."""
        self.may_end.clear()
        self.has_batch.clear()
        future = commit.submit(message("in flight"))
        await self.has_batch.wait()
        return future


class Bench:
    """A GroupCommit with room for five, its store, its metrics and its log."""

    def __init__(self, log: Log, batches_in_flight: int = 1) -> None:
        self.store = FakeStore(batches_in_flight)
        self.metrics = Metrics(())
        self.commit = GroupCommit(cast(Store, self.store), self.metrics, log, 5)

    def waiting(self) -> float | None:
        return self.metrics.registry.get_sample_value("ingest_queue_messages")

    def sample(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


def message(message_id: str) -> Message:
    return Message(message_id, "+11", "+12", 0, None, None)


def event(event_id: str, body_bytes: int = 1, *brings: Message) -> Event:
    return Event("github", event_id, "push", 0, "{}", None, b" " * body_bytes, None, brings)


async def all_of(
    futures: Sequence["asyncio.Future[Outcome]"],
) -> list[Outcome | BaseException]:
    return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 10)
