"""Connections to PostgreSQL: how they are made, how statements run on them, what errors mean."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from service.errors import DatabaseError
from service.store.interface import INSTANT_MAX, INSTANT_MIN
from service.store.postgres.parameters import number_parameters
from service.store.queries import PostgresQueries

CONNECT_SECONDS = 3
"""How long each part of connecting may take: to be let in, and to say who is there."""

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

DURABLE_SETTINGS = ("synchronous_commit", "fsync")
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
        self._attempts: set[asyncio.Task[Any]] = set()
        self._watchers: list[Callable[[], Awaitable[None]]] = []
        self.is_pooled = True
        """Whether a pooler stands between; so it is taken to be until it is known."""

    @property
    def name(self) -> str:
        """The URL without its user and password, and without its options."""
        parts = urlsplit(self._url)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    async def connect(self, *_: Any, **__: Any) -> Any:
        """A connection that commits durably.

        Raises TimeoutError, OSError, asyncpg's errors, and DatabaseError where a commit would not
        be durable. Where nobody waits for it any more it goes on, and is closed: asyncpg's own
        steps are not safe to cancel.
        """
        attempt = asyncio.create_task(self._connect())
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            attempt.add_done_callback(_drop)
            raise

    def when_lost(self, watcher: Callable[[], Awaitable[None]]) -> None:
        """Have `watcher` called when connections that were made before are not to be used."""
        self._watchers.append(watcher)

    async def tell_lost(self, error: asyncpg.PostgresError | None) -> None:
        """A connection was lost. Where it may be for what is behind it, the others are, too.

        That is so where the server did not answer at all (None), and where it is no longer the one
        that writes: who reads there would not find what was stored on the one that took over.
        """
        if error is None or isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            for watcher in self._watchers:
                with suppress(asyncpg.InterfaceError):  # it is closed
                    await watcher()

    async def close(self) -> None:
        """Wait for the connections that are being made, and that nobody wants any more."""
        if self._attempts:
            await asyncio.wait(self._attempts)

    async def _connect(self) -> Any:
        """Make a connection; as often as it takes to know whether there is a pooler.

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
        url = self._url
        try:
            return await self._open_one(url)
        except TimeoutError:
            # The time is for all hosts together, and the first one has used it up.
            self._url = put_last(url)
            if self._url == url:
                raise
            return await self._open_one(self._url)

    async def _open_one(self, url: str) -> Any:
        try:
            return await asyncpg.connect(
                url,
                timeout=CONNECT_SECONDS,
                command_timeout=None,
                statement_cache_size=0 if self.is_pooled else STATEMENTS_MAX,
                server_settings=POOLED_SETTINGS if self.is_pooled else SETTINGS,
            )
        except UnicodeError:  # its text may quote what it is about
            raise OSError("its host, user or password is nothing that can be encoded") from None

    async def _look(self, connection: Any) -> bool:
        """Whether there is a pooler; raises DatabaseError where a commit would not be durable."""
        with _cut_after(CONNECT_SECONDS, connection):
            found = await self._ask(connection)
        self.require_durability(found)
        return bool(found["backend_pid"] != connection.get_server_pid())

    def require_durability(self, found: Mapping[str, Any]) -> None:
        """Raise DatabaseError where these settings let a commit be acknowledged and lost."""
        for setting in DURABLE_SETTINGS:
            if found[setting] == UNDURABLE and not self._allows_async_commit:
                raise DatabaseError(
                    f"the server has {setting} = off, so that a message that was acknowledged"
                    " could be lost: turn it on, or set ALLOW_ASYNC_COMMIT=1"
                )

    async def _ask(self, connection: Any) -> Any:
        async with connection.transaction():
            await connection.set_type_codec(
                "timestamptz",
                schema="pg_catalog",
                encoder=_encode_instant,
                decoder=_decode_instant,
                format="tuple",
            )
            return await connection.fetchrow(self._queries.read_connection)


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


def is_lost(error: asyncpg.PostgresError) -> bool:
    """Whether the next statement is better sent on another connection."""
    return _class_of(error) in LOST_CLASSES


def put_last(url: str) -> str:
    """The URL with the first of its hosts as the last one."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    first, comma, others = hosts.partition(",")
    if not comma:
        return url
    hosts = f"{others},{first}"
    return urlunsplit(parts._replace(netloc=f"{user}{at}{hosts}"))


@contextmanager
def _cut_after(seconds: float, connection: Any) -> Iterator[None]:
    """Cut the connection after so long: whatever waits inside, a rollback as well, then fails."""
    timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


def _drop(attempt: asyncio.Task[Any]) -> None:
    """Close a connection that nobody wants any more, or forget why there is none."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def _class_of(error: asyncpg.PostgresError) -> str:
    return str(error.sqlstate or "")[:2]


def _encode_instant(microseconds: int) -> tuple[int]:
    if microseconds in (INSTANT_MIN, INSTANT_MAX):  # to PostgreSQL, -infinity and infinity
        return (microseconds,)
    return (microseconds - EPOCH_2000,)


def _decode_instant(value: tuple[int]) -> int:
    return value[0] + EPOCH_2000
