"""A pool of connections to PostgreSQL, and the deadlines of what runs on them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from service.errors import DatabaseError
from service.store.interface import DatabaseSilent, QueryTimeout, StoreError
from service.store.postgres.connection import Server, Session, describe_error, is_lost

T = TypeVar("T")

RELEASE_SECONDS = 1
"""How long a statement that was told to stop may take to do so, before its connection is cut."""

IDLE_SECONDS = 60
"""After so long a connection that nobody uses is closed."""


class Pool:
    """At most so many connections, made when they are needed. `open` it first."""

    def __init__(self, server: Server, connections_max: int) -> None:
        self._server = server
        self._connections_max = connections_max
        self._pool: Any = None
        self._work: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Make it ready; connects to nothing yet."""
        self._pool = await asyncpg.create_pool(
            min_size=0,
            max_size=self._connections_max,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            connect=self._server.connect,
            reset=_keep,
        )
        self._server.when_lost(self._pool.expire_connections)

    async def run(self, seconds: float, use: Callable[[Session], Awaitable[T]]) -> T:
        """What `use` returns; it is stopped after `seconds`, or when nobody waits for it any more.

        Raises QueryTimeout past `seconds`, DatabaseSilent where no connection could be made in
        time, and StoreError for whatever else the server says.
        """
        pool = self._pool
        if pool is None:
            raise StoreError("the database is closed")
        loan = _Loan(pool, self._server)
        work = self._begin(loan.use(use))
        try:
            # The deadline holds whatever the server does. To stop what is under way takes a
            # connection to it, which nobody should wait for.
            await asyncio.wait((work,), timeout=seconds)
        finally:
            if not work.done():
                self._begin(loan.stop(work))
        if not work.done():
            raise QueryTimeout(f"the database took longer than {seconds:g} s")
        try:
            return work.result()
        except TimeoutError as error:
            raise DatabaseSilent("the server does not answer") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(describe_error(error)) from error
        except DatabaseError as error:
            raise StoreError(str(error)) from error

    async def close(self) -> None:
        """Close all connections, when what is under way has ended; safe to call twice."""
        pool, self._pool = self._pool, None
        while self._work:
            await asyncio.wait(self._work)
        if pool is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(pool.close(), RELEASE_SECONDS)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task


class _Loan:
    """A connection, while somebody has it."""

    def __init__(self, pool: Any, server: Server) -> None:
        self._pool = pool
        self._server = server
        self._connection: Any = None

    async def use(self, use: Callable[[Session], Awaitable[T]]) -> T:
        """Take a connection, and give it back."""
        self._connection = connection = await self._pool.acquire()
        try:
            return await use(Session(connection, self._server.is_pooled))
        except asyncpg.PostgresError as error:
            if is_lost(error):
                connection.terminate()
                await self._server.tell_lost(error)
            raise
        finally:
            self._connection = None
            # Where a statement was told to stop, this waits until it has.
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._pool.release(connection, timeout=RELEASE_SECONDS)

    async def stop(self, work: asyncio.Task[Any]) -> None:
        """Stop what is done with it, and cut the connection where that takes too long."""
        work.cancel()
        await asyncio.wait((work,), timeout=RELEASE_SECONDS)
        if not work.done():
            if self._connection is not None:
                self._connection.terminate()
            await self._server.tell_lost(None)
            await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()  # there is nobody to be told


async def _keep(_: Any) -> None:
    """Nothing is set on a connection that the next user would have to find undone."""
