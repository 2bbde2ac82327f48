"""A store that is opened to read writes nothing, and needs no right to write."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from service.errors import DatabaseError
from service.store.interface import EventFilter, Filter
from service.store.migrate import load_migrations
from service.store.postgres.store import PostgresStore
from service.store.queries import sql_folder
from tests.store.events import event
from tests.store.events import row as event_row
from tests.store.messages import message, row
from tests.support.postgres.databases import Databases, connected
from tests.support.postgres.suite import empty_database
from tests.support.processes import clean_environment
from tests.support.service import ROOT

pytestmark = pytest.mark.anyio

SQL = sql_folder("postgres")
READ_ONLY = "?default_transaction_read_only=on"
"""The server refuses every write of a session with this setting."""


@pytest.fixture
def url() -> Iterator[str]:
    with empty_database(trigrams=True) as url:
        yield url


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, allows_async_commit=True, timeout_seconds=60)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def test_a_store_that_may_only_read_finds_everything(url: str) -> None:
    sent = [message("a", text="first words"), message("b", text="other words")]
    async with opened(url) as store:
        await store.insert(sent[:1])
        await store.index_all()
        await store.insert(sent[1:], [event("e")])
    reader = PostgresStore(url + READ_ONLY, allows_async_commit=True)
    await reader.open_to_read()
    try:
        for chosen in (Filter(), Filter(q_folded="words")):
            assert await reader.page(chosen, None, 0, 10) == [row(each) for each in sent]
        assert (await reader.totals()).messages == 2
        assert await reader.event("github", "e") == event_row(event("e"))
        assert (await reader.events(EventFilter(), None, 10, 0)).rows == [event_row(event("e"))]
        assert reader.engine.startswith("postgresql 1")
    finally:
        await reader.close()


async def test_an_export_writes_nothing(url: str) -> None:
    async with opened(url) as store:
        await store.insert([message("a"), message("b")])
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service", "export"],
        cwd=ROOT,
        env=clean_environment(DATABASE_URL=url + READ_ONLY, ALLOW_ASYNC_COMMIT="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "export: 2 messages\n")
    assert [json.loads(line)["message_id"] for line in done.stdout.splitlines()] == ["a", "b"]


async def test_an_empty_database_is_refused_and_stays_empty(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"0001_create_messages\.sql has not run there"):
        await PostgresStore(url, allows_async_commit=True).open_to_read()
    tables = "SELECT FROM pg_tables WHERE schemaname = 'public'"
    assert Databases(url).admin(tables) == []


async def test_a_database_that_lacks_a_migration_is_refused(url: str) -> None:
    async with opened(url):
        pass
    last = load_migrations(SQL / "migrations")[-1]
    with connected(url) as run:
        run(f"DELETE FROM migrations WHERE number = {last.number}")  # noqa: S608
    with pytest.raises(DatabaseError, match="run `python -m service migrate` first"):
        await PostgresStore(url, allows_async_commit=True).open_to_read()
