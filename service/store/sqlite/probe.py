"""The readiness probe's look at the database, on a connection of its own."""

import asyncio
import sqlite3
import time

from service.store.interface import PROBE_SECONDS, PROOF_SECONDS, StoreError
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Options
from service.store.sqlite.files import OpenFiles
from service.store.sqlite.pool import Pool
from service.store.sqlite.reads import look


class Probe:
    """Finds out in time whether the database reads and stores. `close` it."""

    def __init__(
        self, writer: Pool, options: Options, queries: SqliteQueries, files: OpenFiles
    ) -> None:
        """`options` are those of a connection that reads the database without its index."""
        self._writer = writer
        self._files = files
        self._reader = Pool(1, options, queries)
        self._queries = queries
        self._stored_at = float("-inf")
        self._failure: StoreError | None = None
        """Of the last batch or look, if it failed."""
        self._looking: asyncio.Task[None] | None = None

    def note(self, failure: StoreError | None) -> None:
        """A batch was stored, or failed."""
        self._stored_at = float("-inf") if failure else time.monotonic()
        self._failure = failure

    async def look(self) -> None:
        """Read, and write unless a batch was just stored. Raises StoreError."""
        try:
            await self._read_and_write()
        except StoreError as error:
            self._failure = error
            raise
        self._failure = None

    async def check(self) -> None:
        """As `look`, within PROBE_SECONDS. A look that takes longer goes on, and is joined next."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self.look())
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.wait([self._looking], timeout=PROBE_SECONDS)
        if not self._looking.done():
            reason = f" (the last failure: {self._failure})" if self._failure else ""
            raise StoreError(f"no answer within {PROBE_SECONDS:g} s{reason}")
        self._looking.result()

    async def close(self) -> None:
        """Close the connection, after a look under way; safe to call twice."""
        if self._looking is not None:
            await asyncio.wait([self._looking])
        await self._reader.close()

    async def _read_and_write(self) -> None:
        await self._reader.run(self._read)
        if time.monotonic() - self._stored_at > PROOF_SECONDS:
            now = {"now": time.time_ns() // 1_000}
            await self._writer.run(lambda raw: raw.execute(self._queries.write_probe, now))

    def _read(self, connection: sqlite3.Connection) -> None:
        self._files.check()
        self._files.check_content()
        look(connection, self._queries)
