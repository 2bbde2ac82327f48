"""The servers that all tests of one run share: one of each kind, started when it is wanted.

TEST_POSTGRES_URL names a server to use in their place, with a role that may create databases.
"""

import atexit
import contextlib
import functools
import os
import platform
import secrets
import sys
from collections.abc import Iterator

import pytest

from tests.postgres.databases import Databases
from tests.postgres.install import find_install
from tests.postgres.server import Server

VARIABLE = "TEST_POSTGRES_URL"
SETTINGS = {
    # Nobody takes the power from these servers.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
}


@functools.cache
def shared_server(trigrams: bool) -> Databases:
    """The server with pg_trgm, or the one without; the test is skipped where there is none."""
    url = os.environ.get(VARIABLE)
    if url:
        databases = Databases(url)
        sql = "SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'"
        if bool(databases.admin(sql)) != trigrams:
            pytest.skip(f"the server of {VARIABLE} has {'no ' if trigrams else ''}pg_trgm")
        return databases
    install = find_install(trigrams)
    if install is None:
        reason = f"no package has PostgreSQL for this platform: set {VARIABLE}"
        if (sys.platform, platform.machine()) == ("linux", "x86_64"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = Server(None, install, SETTINGS)
    atexit.register(server.close)
    server.start()
    return server


@contextlib.contextmanager
def empty_database(trigrams: bool) -> Iterator[str]:
    """The URL of a database with nothing in it, which is dropped afterwards."""
    server = shared_server(trigrams)
    name = f"test_{secrets.token_hex(8)}"
    server.create_database(name)
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)
