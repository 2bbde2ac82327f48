"""Remembers that the database is damaged, and finds out when a read says so."""

import asyncio
import sqlite3
from collections.abc import Callable

from service.store.interface import StoreDamaged, StoreError
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Options, TextDamaged
from service.store.sqlite.pool import Pool

SOUND = "ok"
CHECK_SECONDS = 3_600.0


class Damage:
    """What is wrong with the database file, until the process ends.

    A read sees two files, and SQLite does not say which one is malformed. The index can be made
    again, so the database alone is checked then.
    """

    def __init__(self, options: Options, queries: SqliteQueries) -> None:
        """`options` are those of a connection that sees the database without its index."""
        self._pool = Pool(1, options, queries)
        self._queries = queries
        self._found: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, when_sound: Callable[[], None]) -> None:
        """Take suspicions from now on; needs a running event loop.

        `when_sound` is called when the database is sound, so that the index must be damaged.
        """
        self._loop = asyncio.get_running_loop()
        self._when_sound = when_sound

    def require_sound(self) -> None:
        """Raise StoreDamaged if the database is known to be damaged."""
        if self._found is not None:
            raise StoreDamaged(
                f"the database is damaged: {self._found}. Stop the service and restore a backup"
            )

    def note(self, error: StoreDamaged) -> None:
        """The database is damaged. Call it in any thread."""
        if isinstance(error, TextDamaged):
            self.suspect(error)
        else:
            self._found = self._found or str(error)

    def suspect(self, error: StoreError) -> None:
        """The database or its index can't be read. Call it in any thread."""
        if self._loop is not None and self._found is None:
            self._loop.call_soon_threadsafe(self._begin, error)

    async def close(self) -> None:
        """Stop a check under way; safe to call twice."""
        self._loop = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._pool.close()

    def _begin(self, error: StoreError) -> None:
        if self._loop is not None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._check(error), name="damage")

    async def _check(self, suspicion: StoreError) -> None:
        try:
            found = await self._pool.run_for(CHECK_SECONDS, self._quick_check)
            if found != SOUND:
                self.note(StoreDamaged(found))
            elif not isinstance(suspicion, TextDamaged):  # texts are in the database alone
                self._when_sound()
        except StoreDamaged as error:
            self.note(error)
        except StoreError:
            pass  # the next read that meets the damage asks again

    def _quick_check(self, connection: sqlite3.Connection) -> str:
        return str(connection.execute(self._queries.quick_check).fetchone()[0])
