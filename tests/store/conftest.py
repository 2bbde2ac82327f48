"""Every test that asks for `store` or `database` runs once for each kind of database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.store.interface import Store
from tests.store.databases import DATABASES, Database


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
