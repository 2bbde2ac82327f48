"""Makes connections that commit durably, also behind a pooler and to one of several hosts."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from service.errors import DatabaseError
from service.store.postgres.connection import convert_instants
from service.store.postgres.url import read_url
from service.store.queries import PostgresQueries

CONNECT_SECONDS = 3
"""The deadline of each part of connecting: to be let in, and to read the server's settings."""

SETTINGS = {
    "application_name": "webhook-service",
    # A kept plan that was made for a small table can be wrong by orders of magnitude.
    "plan_cache_mode": "force_custom_plan",
}
POOLED_SETTINGS = {"application_name": "webhook-service"}
"""The only setting that a pooler passes on. It keeps no plan, because nothing is prepared there."""

STATEMENTS_MAX = 100
"""Prepared statements for each connection: more than there are."""

DURABLE_SETTINGS = ("synchronous_commit", "fsync")
UNDURABLE = "off"


class Server:
    """The address of the database, what is known of the way to it, and the pools to it."""

    def __init__(self, url: str, queries: PostgresQueries, allows_async_commit: bool) -> None:
        self._url, connect_seconds, self.ignored, has_name = read_url(url)
        self._connect_seconds = connect_seconds or CONNECT_SECONDS
        self._in_url = {"application_name"} if has_name else set()
        self._queries = queries
        self._allows_async_commit = allows_async_commit
        self._attempts: set[asyncio.Task[Any]] = set()
        self._pools: list[Any] = []
        self.is_pooled = True
        """Whether a pooler stands between. True until the first connection shows the opposite."""

    @property
    def name(self) -> str:
        """The URL without its user, password and options."""
        parts = urlsplit(self._url)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    async def make_pool(self, connections_max: int, idle_seconds: float) -> Any:
        """A pool of the driver, which makes its connections here when they are needed."""
        pool = await asyncpg.create_pool(
            min_size=0,
            max_size=connections_max,
            max_inactive_connection_lifetime=idle_seconds,
            connect=self._connect,
            reset=_keep,
        )
        self._pools.append(pool)
        return pool

    async def expire_connections(self) -> None:
        """Have every pool replace its connections before their next use.

        Needed when the server stops answering or no longer writes: a connection to the old server
        would not find what the new one has stored.
        """
        for pool in self._pools:
            with suppress(asyncpg.InterfaceError):  # it is closed
                await pool.expire_connections()

    def require_durability(self, found: Mapping[str, Any]) -> None:
        """Raise DatabaseError if these settings let an acknowledged commit be lost."""
        for setting in DURABLE_SETTINGS:
            if found[setting] == UNDURABLE and not self._allows_async_commit:
                raise DatabaseError(
                    f"the server has {setting} = off, so that a message that was acknowledged"
                    " could be lost: turn it on, or set ALLOW_ASYNC_COMMIT=1"
                )

    async def close(self) -> None:
        """Wait for the attempts to connect that are still under way."""
        if self._attempts:
            await asyncio.wait(self._attempts)

    async def _connect(self, *_: Any, **__: Any) -> Any:
        """A connection that commits durably.

        Raises TimeoutError, OSError, asyncpg's errors, and DatabaseError if a commit would not be
        durable. An attempt that is cancelled goes on, and its connection is closed: asyncpg's own
        steps are not safe to cancel.
        """
        attempt = asyncio.create_task(self._connect_and_look())
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            attempt.add_done_callback(_drop)
            raise

    async def _connect_and_look(self) -> Any:
        """Make a connection; a second one if the first shows that there is no pooler, or one.

        A pooler in transaction mode (PgBouncer's) runs each transaction on any of its connections,
        so a statement prepared on one is missing on the next. It gives itself away: the process
        that answers is not the one that the connection was given.
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
        url = self._url
        try:
            return await self._open_one(url)
        except TimeoutError:
            # The deadline is for all hosts together, and a silent first host uses it up.
            self._url = put_last(url)
            if self._url == url:
                raise
            return await self._open_one(self._url)

    async def _open_one(self, url: str) -> Any:
        settings = POOLED_SETTINGS if self.is_pooled else SETTINGS
        try:
            return await asyncpg.connect(
                url,
                timeout=self._connect_seconds,
                command_timeout=None,
                statement_cache_size=0 if self.is_pooled else STATEMENTS_MAX,
                server_settings={
                    name: value for name, value in settings.items() if name not in self._in_url
                },
            )
        except UnicodeError:  # its text may quote the password
            raise OSError("its host, user or password can't be encoded") from None

    async def _look(self, connection: Any) -> bool:
        """Whether there is a pooler; raises DatabaseError if a commit would not be durable."""
        with _terminated_after(CONNECT_SECONDS, connection):
            async with connection.transaction():
                await convert_instants(connection)
                found = await connection.fetchrow(self._queries.read_connection)
        self.require_durability(found)
        return bool(found["backend_pid"] != connection.get_server_pid())


def put_last(url: str) -> str:
    """The URL with its first host moved to the end."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    first, comma, others = hosts.partition(",")
    if not comma:
        return url
    return urlunsplit(parts._replace(netloc=f"{user}{at}{others},{first}"))


@contextmanager
def _terminated_after(seconds: float, connection: Any) -> Iterator[None]:
    """Terminate the connection after so long. Every wait inside then fails, also a rollback's."""
    timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


def _drop(attempt: asyncio.Task[Any]) -> None:
    """Close a connection that nothing waits for, or retrieve the attempt's error."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


async def _keep(_: Any) -> None:
    """A user of a connection sets nothing on it, so nothing is reset."""
