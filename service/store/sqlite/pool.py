"""A pool of connections to SQLite, and the deadlines of what runs on them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self, TypeVar

from service.store.interface import DiskFailed, QueryTimeout, StoreDamaged, StoreError
from service.store.queries import SqliteQueries
from service.store.sqlite.connection import Connection, Options

T = TypeVar("T")

INTERRUPT_AGAIN_SECONDS = 0.05
"""A statement that begins right after an interrupt does not see it: interrupt until it is over."""


class Pool:
    """A fixed number of connections, each used by one caller at a time, in the order of asking.

    A connection opens when it is first needed. After an I/O error, or in a damaged file, it is
    closed and opened again: its view of the file is no longer certain.
    """

    def __init__(self, size: int, options: Options, queries: SqliteQueries) -> None:
        self._options = options
        self._queries = queries
        self._size = size
        self._idle: list[Connection | None] = [None] * size
        self._turns = asyncio.Semaphore(size)
        self._door = asyncio.Lock()
        """Callers queue here, and only the first of them waits for a turn: a pause comes next."""
        self._pause = asyncio.Lock()

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function` with a connection that nobody else uses. Raises StoreError."""
        async with self._borrowed() as connection:
            return await connection.run(function)

    async def run_for(self, seconds: float, function: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`, but stopped with QueryTimeout after `seconds`, waiting included."""
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline) as waiting, self._borrowed() as connection:
                waiting.reschedule(None)
                with _Interrupter(connection, deadline) as interrupter:
                    try:
                        return await connection.run(function)
                    except asyncio.CancelledError:
                        # The caller has gone, but the thread goes on, and closing would wait.
                        interrupter.interrupt()
                        await connection.run(lambda _: None)
                        raise
        except TimeoutError as error:
            raise QueryTimeout(f"no answer within {seconds:g} s") from error

    async def close(self) -> None:
        """Close every connection, after its current use; safe to call twice."""
        async with self.closed():
            pass

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Inside, no connection is open, and new callers wait."""
        async with self.paused():
            for place, connection in enumerate(self._idle):
                if connection is not None:
                    self._idle[place] = None
                    await connection.close()
            yield

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Inside, no connection is in use, and new callers wait."""
        async with self._pause, AsyncExitStack() as turns:
            for _ in range(self._size):
                await turns.enter_async_context(self._turns)
            yield

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        async with self._door:
            await self._turns.acquire()
        connection = self._idle.pop()
        try:
            if connection is None:
                connection = await Connection.open(self._options, self._queries)
            yield connection
        except (DiskFailed, StoreDamaged):
            if connection is not None:
                await connection.close()
                connection = None
            raise
        finally:
            self._idle.append(connection)
            self._turns.release()


class _Interrupter:
    """Stops a connection's statement at a deadline. In the `with`, its error is a TimeoutError."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(deadline, self.interrupt)
        self._has_interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._timer.cancel()
        if self._has_interrupted and isinstance(error, StoreError):
            raise TimeoutError from error

    def interrupt(self) -> None:
        """Stop the statement now, and every one that follows."""
        self._timer.cancel()
        self._has_interrupted = True
        self._connection.interrupt_now()
        self._timer = self._loop.call_later(INTERRUPT_AGAIN_SECONDS, self.interrupt)
