"""Fixtures of the tests of `python -m service export`."""

import asyncio

import pytest

from tests.support.api.exports import SOME, fill


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the environment names, with SOME in it."""
    asyncio.run(fill(database_url, SOME))
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOW_ASYNC_COMMIT", "1")
    return database_url
