"""Connections to PostgreSQL: pools of them, their deadlines, and what their errors mean."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from service.errors import DatabaseError
from service.store.port import INSTANT_MAX, INSTANT_MIN, QueryTimeout, StoreError
from service.store.postgres_parameters import number_parameters
from service.store.queries import PostgresQueries

T = TypeVar("T")

CONNECT_SECONDS = 3
RELEASE_SECONDS = 1
"""How long a statement that was told to stop may take to do so, before its connection is cut."""

IDLE_SECONDS = 60
"""After so long a connection that nobody uses is closed."""

SETTINGS = {
    "application_name": "webhook-service",
    # A plan that was made when a table was small, and kept, can be wrong by a factor of its size.
    "plan_cache_mode": "force_custom_plan",
}
POOLED_SETTINGS = {"application_name": "webhook-service"}
"""All that a pooler passes on; without prepared statements no plan is kept anyway."""

STATEMENTS_MAX = 100
"""More than there are: each is prepared once a connection."""

EPOCH_2000 = 946_684_800_000_000
"""PostgreSQL counts its microseconds from 2000-01-01, we from 1970-01-01."""

UNDURABLE = "off"

QUOTING_CLASSES = ("22", "23")
"""Errors of the data, whose text may quote it (PostgreSQL, Appendix A)."""

LOST_CLASSES = ("08", "25", "53", "57", "58")
"""Errors of the connection or of the server: the next statement is better sent on a new one, which
finds the server that writes, where there are several (a primary that was replaced says 25006)."""


class Server:
    """Where the database is, and what is known of the way there."""

    def __init__(self, url: str, queries: PostgresQueries, allows_async_commit: bool) -> None:
        self._url = url
        self._queries = queries
        self._allows_async_commit = allows_async_commit
        self.is_pooled = True
        """Whether a pooler stands between; so it is taken to be until it is known."""

    @property
    def name(self) -> str:
        """The URL without its user and password, and without its options."""
        parts = urlsplit(self._url)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    async def connect(self, *_: Any, **__: Any) -> Any:
        """A connection that commits durably.

        A pooler in transaction mode (pgbouncer's) gives each transaction any of its connections:
        what was prepared by name on one is missing on the next, or is something else. It is known
        by the number of the server's process, which is not the one that the connection was given.
        """
        connection = await self._open()
        try:
            if await self._look(connection) != self.is_pooled:
                self.is_pooled = not self.is_pooled
                connection.terminate()
                connection = await self._open()
                await self._look(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _open(self) -> Any:
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=None,
            statement_cache_size=0 if self.is_pooled else STATEMENTS_MAX,
            server_settings=POOLED_SETTINGS if self.is_pooled else SETTINGS,
        )

    async def _look(self, connection: Any) -> bool:
        """Whether there is a pooler; raises DatabaseError where a commit would not be durable."""
        async with connection.transaction():
            await connection.set_type_codec(
                "timestamptz",
                schema="pg_catalog",
                encoder=_encode_instant,
                decoder=_decode_instant,
                format="tuple",
            )
            found = await connection.fetchrow(self._queries.read_connection)
        for setting in ("synchronous_commit", "fsync"):
            if found[setting] == UNDURABLE and not self._allows_async_commit:
                raise DatabaseError(
                    f"the server has {setting} = off, so that a message that was acknowledged"
                    " could be lost: turn it on, or set ALLOW_ASYNC_COMMIT=1"
                )
        return bool(found["backend_pid"] != connection.get_server_pid())


class Session:
    """A connection in use. Its statements are those of the files, with parameters by name."""

    def __init__(self, connection: Any, is_pooled: bool) -> None:
        self._connection = connection
        self._is_pooled = is_pooled

    async def fetch(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """The rows. Of the parameters, those that the statement names are used."""
        statement = number_parameters(sql)
        values = [(parameters or {})[name] for name in statement.names]
        async with self._transaction_of_one():
            rows: list[Any] = await self._connection.fetch(statement.sql, *values)
        return rows

    async def run_script(self, sql: str) -> None:
        """Several statements without parameters."""
        await self._connection.execute(sql)

    def _transaction_of_one(self) -> AbstractAsyncContextManager[Any]:
        """What a pooler needs to hand all steps of one statement to one connection of its own."""
        if self._is_pooled and not self._connection.is_in_transaction():
            return self.transaction()
        return nullcontext()

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """All of it, or nothing."""
        return self._connection.transaction()  # type: ignore[no-any-return]

    def snapshot(self) -> AbstractAsyncContextManager[Any]:
        """All statements inside see the same messages."""
        return self._connection.transaction(  # type: ignore[no-any-return]
            isolation="repeatable_read", readonly=True
        )


class Pool:
    """At most so many connections, made when they are needed. `open` it first."""

    def __init__(self, server: Server, connections_max: int) -> None:
        self._server = server
        self._connections_max = connections_max
        self._pool: Any = None

    async def open(self) -> None:
        """Make it ready; connects to nothing yet."""
        self._pool = await asyncpg.create_pool(
            min_size=0,
            max_size=self._connections_max,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            connect=self._server.connect,
            reset=_keep,
        )

    async def run(self, seconds: float, use: Callable[[Session], Awaitable[T]]) -> T:
        """What `use` returns. Raises StoreError, or QueryTimeout past `seconds`: it was stopped."""
        try:
            async with asyncio.timeout(seconds), self._connection() as connection:
                try:
                    return await use(Session(connection, self._server.is_pooled))
                except asyncpg.PostgresError as error:
                    if _class_of(error) in LOST_CLASSES:
                        connection.terminate()
                    raise
        except TimeoutError as error:
            raise QueryTimeout(f"the database took longer than {seconds:g} s") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(describe_error(error)) from error
        except DatabaseError as error:
            raise StoreError(str(error)) from error

    async def close(self) -> None:
        """Close all connections; safe to call twice."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> Any:
        pool = self._pool
        if pool is None:
            raise StoreError("the database is closed")
        connection = await pool.acquire()
        try:
            yield connection
        finally:
            # Where a statement was told to stop, this waits until it has.
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await pool.release(connection, timeout=RELEASE_SECONDS)


def describe_error(error: Exception) -> str:
    """What went wrong, without anything that a client sent."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or "unknown"
        if _class_of(error) in QUOTING_CLASSES:
            return f"{type(error).__name__} ({code})"
        return f"{error.args[0] if error.args else type(error).__name__} ({code})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _class_of(error: asyncpg.PostgresError) -> str:
    return str(error.sqlstate or "")[:2]


async def _keep(_: Any) -> None:
    """Nothing is set on a connection that the next user would have to find undone."""


def _encode_instant(microseconds: int) -> tuple[int]:
    if microseconds in (INSTANT_MIN, INSTANT_MAX):  # to PostgreSQL, -infinity and infinity
        return (microseconds,)
    return (microseconds - EPOCH_2000,)


def _decode_instant(value: tuple[int]) -> int:
    return value[0] + EPOCH_2000
