"""Every test that asks for `store` or `database` runs once for each kind of database."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.store.interface import Store
from tests.store.databases import DATABASES, Database

THREAD_END_SECONDS = 30


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    with ExitStack() as stack:
        yield DATABASES[request.param](tmp_path, stack)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """A store, open, on an empty database."""
    async with database.opened() as store:
        yield store


@pytest.fixture
def no_thread_stays() -> Iterator[None]:
    """Fails the test when a thread that began in it does not end: such a process never would."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(THREAD_END_SECONDS)
        assert not thread.is_alive(), thread
