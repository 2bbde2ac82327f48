"""The databases of a server, whoever runs it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from anyio.from_thread import start_blocking_portal

Answer = TypeVar("Answer")

END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
"""
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;"
# What a database holds is in a schema, is an extension or a setting; large objects aside.
IS_EMPTY = """
    SELECT NOT EXISTS (
        SELECT FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'public')
    ) AND NOT EXISTS (
        SELECT FROM pg_extension WHERE extname <> 'plpgsql'
    ) AND NOT EXISTS (
        SELECT FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
        WHERE datname = current_database()
    ) AND NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
    )
"""


@contextlib.contextmanager
def connected(url: str) -> Iterator[Callable[[str], object]]:
    """What runs statements, one after the other, on a connection that is open all the time."""
    with start_blocking_portal() as portal:
        connection = portal.call(asyncpg.connect, url)
        try:
            yield lambda sql: portal.call(connection.execute, sql)
        finally:
            connection.terminate()


class Databases:
    """Makes and drops databases, as the role of a URL that may do that."""

    def __init__(self, admin_url: str, owner: str | None = None) -> None:
        """The databases belong to `owner`, or to the role of the URL."""
        self.admin_url = admin_url
        self._owner = owner

    def url(self, database: str) -> str:
        """The URL of a database, for the role that owns it."""
        return urlsplit(self.admin_url)._replace(path=f"/{database}").geturl()

    def admin(self, sql: str, database: str | None = None) -> list[asyncpg.Record]:
        """The rows of one statement, run by the role of the URL."""
        url = self.admin_url
        if database is not None:
            url = urlsplit(url)._replace(path=f"/{database}").geturl()
        return _run(_fetch(url, sql))

    def create_database(self, name: str, options: str = "") -> None:
        """Make it, with those `options` of CREATE DATABASE."""
        owner = f' OWNER "{self._owner}"' if self._owner else ""
        self.admin(f'CREATE DATABASE "{name}"{owner} {options}')

    def drop_database(self, name: str) -> None:
        """Drop it where it is there, and end the connections to it."""
        self.admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def empty_database(self, name: str) -> bool:
        """End the connections to a database and remove what is in it, as its owner.

        False where something is left. Takes 15 ms, where to drop and create one takes 60.
        """
        return _run(_empty(self.url(name)))


def _run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it to its end, in a thread: the caller may have a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _fetch(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def _empty(url: str) -> bool:
    connection = await asyncpg.connect(url, server_settings={"lock_timeout": "5s"})
    try:
        await connection.execute(END_CONNECTIONS + EMPTY)
        return bool(await connection.fetchval(IS_EMPTY))
    except asyncpg.PostgresError:
        return False
    finally:
        await connection.close()
