"""The kinds of database that the contract is tested on; SQLite alone where nothing else is said.

PostgreSQL is 17, which has pg_trgm, as most servers do: so reads are answered by all that there
is, the index of texts and what it lacks. The store's own tests run on 18 without it, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.factory import make_store
from service.store.interface import Store
from service.store.postgres.store import PostgresStore
from service.store.sqlite.store import SqliteStore
from tests.support.postgres import suite

StoreClass = type[SqliteStore] | type[PostgresStore]

STORES: dict[str, StoreClass] = {"sqlite": SqliteStore, "postgres": PostgresStore}

on_each_database = pytest.mark.databases(*STORES)
"""For tests, or all of a file, that ask for `database_url` or for what is made with it."""

on_sqlite = pytest.mark.databases("sqlite")
"""For one of them that is about SQLite's files, or that reaches no database."""


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database; that of SQLite is a file in `folder`, not made yet."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'app.db'}"
    else:
        with suite.empty_database(trigrams=True) as url:
            yield url


def environment_of(url: str) -> dict[str, str]:
    """What the service wants to be told of a database: the tests' PostgreSQL has fsync off."""
    return {"DATABASE_URL": url, "ALLOW_ASYNC_COMMIT": "1"}


def store_of(url: str) -> Store:
    """The store of a database, not open yet."""
    return make_store(Settings.from_environment(environment_of(url)))
