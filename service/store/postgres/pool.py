"""Pools of connections, and the deadline of everything that runs on them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from service.errors import DatabaseError
from service.store.interface import DatabaseSilent, QueryTimeout, StoreError
from service.store.postgres.connection import Connection
from service.store.postgres.errors import describe_error, is_lost
from service.store.postgres.server import Server

T = TypeVar("T")

RELEASE_SECONDS = 1
"""A cancelled statement may take this long to end. Then its connection is terminated."""

IDLE_SECONDS = 60
"""A connection that is unused for so long is closed."""


class Pool:
    """At most `connections_max` connections, made when they are needed. `open` it first."""

    def __init__(self, server: Server, connections_max: int) -> None:
        self._server = server
        self._connections_max = connections_max
        self._pool: Any = None
        self._work: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Make it ready. It does not connect yet."""
        self._pool = await self._server.make_pool(self._connections_max, IDLE_SECONDS)

    async def run(self, seconds: float, use: Callable[[Connection], Awaitable[T]]) -> T:
        """What `use` returns. It is stopped after `seconds`, or when the caller is cancelled.

        Raises QueryTimeout after `seconds`, DatabaseSilent if no connection could be made in time,
        and StoreError for any other answer of the server.
        """
        if self._pool is None:
            raise StoreError("the database is closed")
        checkout = _Checkout(self._pool, self._server)
        work = self._begin(checkout.run(use))
        try:
            # The deadline holds whatever the server does. To cancel a statement takes another
            # connection, so the caller does not wait for that.
            await asyncio.wait((work,), timeout=seconds)
        finally:
            if not work.done():
                self._begin(checkout.stop(work))
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
        """Close all connections when the work under way has ended; safe to call twice."""
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


class _Checkout:
    """One use of a connection of the pool."""

    def __init__(self, pool: Any, server: Server) -> None:
        self._pool = pool
        self._server = server
        self._connection: Any = None

    async def run(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        """Take a connection, use it, and give it back."""
        self._connection = connection = await self._pool.acquire()
        try:
            return await use(Connection(connection, self._server.is_pooled))
        except asyncpg.PostgresError as error:
            if is_lost(error):
                connection.terminate()
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await self._server.expire_connections()
            raise
        finally:
            self._connection = None
            # After a cancellation this waits until the statement has ended.
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._pool.release(connection, timeout=RELEASE_SECONDS)

    async def stop(self, work: asyncio.Task[Any]) -> None:
        """Cancel the work, and terminate the connection if that takes too long."""
        work.cancel()
        await asyncio.wait((work,), timeout=RELEASE_SECONDS)
        if not work.done():
            if self._connection is not None:
                self._connection.terminate()
            await self._server.expire_connections()
            await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()  # retrieved, so that asyncio does not log it
