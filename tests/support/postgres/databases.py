"""The databases of a server, which the tests or somebody else started."""

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
WAIT_FOR_CONNECTIONS = """
    DO $$ BEGIN
        WHILE EXISTS (
            SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'
        ) LOOP
            PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
        END LOOP;
    END $$
"""
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;"
# A database holds schemas, extensions, settings, and large objects, which no test makes.
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
    """A function that runs statements on one connection, which stays open inside."""
    with start_blocking_portal() as portal:
        connection = portal.call(asyncpg.connect, url)
        try:
            yield lambda sql: portal.call(connection.execute, sql)
        finally:
            connection.terminate()


def wait_for_backends(url: str) -> None:
    """Wait until nobody else is connected."""
    with connected(url) as run:
        run(WAIT_FOR_CONNECTIONS)


class Databases:
    """Makes and drops databases, as the role of a URL."""

    def __init__(self, admin_url: str, owner: str | None = None) -> None:
        """`owner` owns the databases; the role of the URL if it is None."""
        self.admin_url = admin_url
        self._owner = owner

    def url(self, database: str) -> str:
        """The URL of a database for its owner."""
        return urlsplit(self.admin_url)._replace(path=f"/{database}").geturl()

    def admin(self, sql: str, database: str | None = None) -> list[asyncpg.Record]:
        """The rows of one statement that the role of the URL runs."""
        url = self.admin_url
        if database is not None:
            url = urlsplit(url)._replace(path=f"/{database}").geturl()
        return _run(_fetch(url, sql))

    def create_database(self, name: str, options: str = "") -> None:
        """Make a database with these `options` of CREATE DATABASE."""
        owner = f' OWNER "{self._owner}"' if self._owner else ""
        self.admin(f'CREATE DATABASE "{name}"{owner} {options}')

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and end the connections to it."""
        self.admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def empty_database(self, name: str) -> bool:
        """End the connections to a database and remove its contents, as its owner.

        False where something is left. Takes 15 ms, where to drop and create one takes 60.
        """
        return _run(_empty(self.url(name)))


def _run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it in a thread, because the caller may have an event loop."""
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
