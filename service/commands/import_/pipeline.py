"""The run: one batch is decoded while the last one is stored, and older ones are indexed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from service.commands.import_.batches import Batch, Reader
from service.commands.import_.indexing import Indexing
from service.commands.import_.pace import PAUSE_SECONDS, Pace
from service.commands.import_.report import Screen, Tally
from service.commands.import_.sources import Valve
from service.commands.patience import Patience, is_locked
from service.errors import DatabaseError
from service.store.interface import Outcome, Store, StoreError


class Pipeline:
    """Stores what a reader reads. After `run`, `failure` says why some of it is not stored."""

    def __init__(
        self,
        open_store: Callable[[], Awaitable[Store]],
        reader: Reader,
        valve: Valve,
        shown: Screen,
    ) -> None:
        self.tally = Tally()
        self.failure: str | None = None
        self._open_store = open_store
        self._reader = reader
        self._valve = valve
        self._screen = shown
        self._pace = Pace()
        self._patience = Patience(shown.tell)
        self._indexing: Indexing | None = None

    def stop(self) -> None:
        """Read no more, and store what has been read."""
        self._patience.stop()
        self._valve.shut()
        if self._indexing is not None:
            self._indexing.stop()

    async def run(self) -> None:
        """Return when all is stored and indexed, or soon after `stop`."""
        try:
            store = await self._patience.use(self._open_store)
            try:
                await self._fill(store)
            finally:
                await store.close()
        except (DatabaseError, StoreError) as error:
            # A stop while the database was locked is no failure.
            if not (self._patience.is_stopped and is_locked(error)):
                self.failure = str(error)

    async def _fill(self, store: Store) -> None:
        self._indexing = Indexing(lambda: self._patience.use(store.index_all))
        if self._patience.is_stopped:
            self._indexing.stop()
        try:
            await self._store_all(store, self._indexing)
            self._screen.describe("indexing")
            await self._indexing.complete()
        finally:
            await self._indexing.end()

    async def _store_all(self, store: Store, indexing: Indexing) -> None:
        loop, batches = asyncio.get_running_loop(), self._reader.batches()
        with ThreadPoolExecutor(1) as thread:
            try:
                batch: Batch | None = Batch()
                while batch is not None:
                    self._reader.batch_lines = self._pace.batch_lines
                    following = loop.run_in_executor(thread, next, batches, None)
                    storing = self._store_batch(store, indexing, batch)
                    _, batch = await asyncio.gather(storing, following)
            finally:
                # After an error the thread may still be reading from a pipe.
                self._valve.shut()
        self.failure = self._reader.failure

    async def _store_batch(self, store: Store, indexing: Indexing, batch: Batch) -> None:
        for complaint in batch.complaints:
            self._screen.tell(complaint)
        if not (batch.messages or batch.events):
            self.tally.add(batch, [])
            return
        begun = time.perf_counter()
        outcomes = await self._patience.use(lambda: store.insert(batch.messages, batch.events))
        self._pace.learn(len(outcomes), time.perf_counter() - begun)
        self.tally.add(batch, outcomes)
        self._screen.show(self.tally)
        created = outcomes.count(Outcome.CREATED)
        await asyncio.gather(asyncio.sleep(PAUSE_SECONDS), indexing.add(created))
