"""The extension pg_trgm is added while instances run, and every search finds every message."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from service.store.interface import Filter
from service.store.postgres.store import PostgresStore
from tests.store.messages import meanwhile_inserting, message
from tests.support.postgres.suite import empty_database, shared_server

pytestmark = pytest.mark.anyio

CHOSEN = Filter(q_folded="number")
LEARN_SECONDS = 10


class LateTrigrams:
    """A database whose owner may not create the extension before `allow`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._name = urlsplit(url).path.removeprefix("/")
        self._server = shared_server(trigrams=True)
        ((self._owner, is_superuser),) = self._server.admin(
            "SELECT rolname, rolsuper FROM pg_roles JOIN pg_database ON datdba = pg_roles.oid"
            " WHERE datname = current_database()",
            self._name,
        )
        if is_superuser:
            pytest.skip("a superuser may create any extension")

    def forbid(self) -> None:
        self._server.admin(f'REVOKE CREATE ON DATABASE "{self._name}" FROM "{self._owner}"')

    def allow(self) -> None:
        self._server.admin(f'GRANT CREATE ON DATABASE "{self._name}" TO "{self._owner}"')

    @asynccontextmanager
    async def opened(self, search_sql_end: str = "") -> AsyncIterator[PostgresStore]:
        store = PostgresStore(self.url, allows_async_commit=True, timeout_seconds=60)
        store._migrator._search_sql += search_sql_end
        await store.open()
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture
def database() -> Iterator[LateTrigrams]:
    with empty_database(trigrams=True) as url:
        late = LateTrigrams(url)
        late.forbid()
        try:
            yield late
        finally:
            late.allow()


async def insert(store: PostgresStore, *names: str) -> None:
    await store.insert([message(name, text=f"Number {name}") for name in names])


async def search(store: PostgresStore) -> list[str]:
    """The ids that a search finds. Its page and its count must agree."""
    rows, count = await store.page_and_count(CHOSEN, None, 0, 1_000_000)
    assert count == len(rows)
    return [row.message_id for row in rows]


async def learned(*stores: PostgresStore) -> None:
    """Return when all of them use the index."""
    async with asyncio.timeout(LEARN_SECONDS):
        while not all(store._indexer.has_texts for store in stores):  # noqa: ASYNC110 - a task of the store sets it
            await asyncio.sleep(0.01)


async def test_all_instances_find_what_running_instances_store(database: LateTrigrams) -> None:
    async with database.opened() as old:
        assert [event for event, _ in old.warnings()] == ["slow_search"]
        await insert(old, "a", "b")
        await old.index_all()
        await insert(old, "c")
        database.allow()
        async with database.opened() as new:
            assert not new.warnings()
            await insert(old, "d")
            await insert(new, "e")
            for _ in range(2):
                assert await search(old) == await search(new) == ["a", "b", "c", "d", "e"]
                await new.index_all()
            await learned(old, new)
            await insert(old, "f")
            await insert(new, "g")
    async with database.opened() as restarted:
        await insert(restarted, "h")
        assert await search(restarted) == [*"abcdefgh"]
        await restarted.index_all()
        assert await search(restarted) == [*"abcdefgh"]


@pytest.mark.parametrize("end", ["", "; SELECT pg_sleep(1)"], ids=["at once", "slowly"])
async def test_messages_stored_while_the_index_is_made_are_found(
    database: LateTrigrams, end: str
) -> None:
    """Slowly: a batch stored after search.sql has read all messages must stay pending."""
    async with database.opened() as old, database.opened() as other:
        async with (
            meanwhile_inserting(old, message("a", text="Number one")),
            meanwhile_inserting(other, message("b", text="Number two"), message("c", text=None)),
        ):
            await asyncio.sleep(0.3)
            database.allow()
            async with database.opened(end) as new:
                await search(new)
                await learned(old, other)
                await search(old)
        async with database.opened() as restarted:
            stored = await restarted.page(Filter(), None, 0, 1_000_000)
            expected = [row.message_id for row in stored if row.text is not None]
            assert len(expected) > 100
            for store in (old, restarted):
                assert await search(store) == expected
            await restarted.index_all()
            for store in (old, restarted):
                assert await search(store) == expected


async def test_pending_batches_do_not_pile_up_without_the_index(database: LateTrigrams) -> None:
    async with database.opened() as store:
        for number in range(5):
            await insert(store, str(number))
        await store.index_all()
        assert await store._writers.run(5, store._indexer._count_unindexed) == {
            "pending_counts": 0,
            "pending_texts": 0,
        }
