"""The servers that all tests of one run share: one of each kind, started when needed.

TEST_POSTGRES_URL names a server to use in their place, with a role that may create databases.
"""

import contextlib
import os
import platform
import secrets
import sys
from collections.abc import Iterator

import pytest

from tests.support.postgres.databases import Databases
from tests.support.postgres.install import find_install
from tests.support.postgres.server import Server

VARIABLE = "TEST_POSTGRES_URL"
SETTINGS = {
    # These servers never lose power.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
}


class Suite:
    """Servers, with and without pg_trgm, and their databases."""

    def __init__(self) -> None:
        self._servers: dict[bool, Databases] = {}
        self._free: dict[bool, list[str]] = {True: [], False: []}
        self._closing = contextlib.ExitStack()

    def server(self, trigrams: bool) -> Databases:
        """The server with or without pg_trgm; skips the test if there is none."""
        if trigrams not in self._servers:
            url = os.environ.get(VARIABLE)
            found = _named_server(url, trigrams) if url else self._start_server(trigrams)
            self._servers[trigrams] = found
        return self._servers[trigrams]

    @contextlib.contextmanager
    def empty_database(self, trigrams: bool) -> Iterator[str]:
        """The URL of an empty database. Its contents are removed after."""
        server, free = self.server(trigrams), self._free[trigrams]
        if not free:
            free.append(f"test_{secrets.token_hex(8)}")
            server.create_database(free[-1])
        name = free.pop()  # emptying a used one is faster than making one
        try:
            yield server.url(name)
        finally:
            if server.empty_database(name):
                free.append(name)
            else:
                server.drop_database(name)

    def close(self) -> None:
        """Drop the databases, and end the servers that were started."""
        for trigrams, server in self._servers.items():
            while self._free[trigrams]:
                server.drop_database(self._free[trigrams].pop())
        self._closing.close()
        self._servers.clear()

    def _start_server(self, trigrams: bool) -> Server:
        install = find_install(trigrams)
        if install is None:
            reason = f"without PostgreSQL's programs, {VARIABLE} must name a server"
            if has_packages():
                pytest.fail(f"the packages of requirements/servers.txt are missing; or {reason}")
            pytest.skip(reason)
        return self._closing.enter_context(Server(None, install, SETTINGS))


def has_packages() -> bool:
    """Whether this machine has packages of both kinds: then no test may be skipped."""
    library, version = platform.libc_ver()
    return (sys.platform, platform.machine(), library) == ("linux", "x86_64", "glibc") and (
        tuple(map(int, version.split("."))) >= (2, 34)
    )


def _named_server(url: str, trigrams: bool) -> Databases:
    databases = Databases(url)
    sql = "SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if bool(databases.admin(sql)) != trigrams:
        pytest.skip(f"the server of {VARIABLE} has {'no' if trigrams else 'the extension'} pg_trgm")
    return databases


_shared = Suite()
shared_server = _shared.server
empty_database = _shared.empty_database
close = _shared.close
