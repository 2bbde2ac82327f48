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

    def create_database(self, name: str) -> None:
        owner = f' OWNER "{self._owner}"' if self._owner else ""
        self.admin(f'CREATE DATABASE "{name}"{owner}')

    def drop_database(self, name: str) -> None:
        """Drop it where it is there, and end the connections to it."""
        self.admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


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
