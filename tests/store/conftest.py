"""Every test that asks for `store` or `database` runs once for each kind of database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.store.port import Store
from tests.store.databases import DATABASES, Database


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database."""
    made: Database = DATABASES[request.param](tmp_path)
    return made


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """A store, open, on an empty database."""
    async with database.opened() as store:
        yield store
