"""How every store begins, fails, recovers and ends."""

import asyncio

import pytest

from service.store.interface import Filter, Outcome, Store, StoreError
from tests.store.databases import Database, one_of_each_kind
from tests.store.messages import message

pytestmark = [pytest.mark.anyio, one_of_each_kind]


async def test_a_sound_store_passes_its_check_again_and_again(store: Store) -> None:
    for _ in range(3):
        await store.check()


async def test_a_check_changes_no_message_and_no_count(store: Store) -> None:
    before = await store.totals()
    await store.check()
    assert await store.totals() == before
    assert await store.page(Filter(), None, 0, 10) == []


async def test_a_check_fails_while_nobody_can_write_and_passes_again_after(
    database: Database, store: Store
) -> None:
    with database.locked(), pytest.raises(StoreError):
        await store.check()
    await store.check()


async def test_reads_go_on_while_nobody_can_write(database: Database, store: Store) -> None:
    await store.insert([message("a")])
    with database.locked():
        assert (await store.totals()).messages == 1
        assert len(await store.page(Filter(), None, 0, 10)) == 1


@pytest.mark.usefixtures("no_thread_stays")
async def test_closing_leaves_no_thread(database: Database) -> None:
    async with database.opened() as store:
        await asyncio.gather(*[store.totals() for _ in range(20)], store.insert([message("a")]))


@pytest.mark.usefixtures("no_thread_stays")
async def test_closing_after_errors_leaves_no_thread(database: Database) -> None:
    async with database.opened() as store:
        for _ in range(3):
            with database.refusing("refused"), pytest.raises(StoreError):
                await store.insert([message("refused")])


async def test_closing_twice_is_safe(store: Store) -> None:
    await store.close()
    await store.close()


async def test_closing_waits_for_what_is_under_way(database: Database) -> None:
    async with database.opened() as store:
        insert = asyncio.create_task(store.insert([message("a")]))
        reads = [asyncio.create_task(store.totals()) for _ in range(10)]
        await asyncio.sleep(0)
        await store.close()
        assert await insert == [Outcome.CREATED]
        assert len(await asyncio.gather(*reads)) == 10


@pytest.mark.usefixtures("no_thread_stays")
@pytest.mark.parametrize("turns", range(12))
async def test_a_read_that_nobody_waits_for_costs_no_connection(
    database: Database, turns: int
) -> None:
    """A cancelled request may stop anywhere: also while its connection opens."""
    async with database.opened() as store:
        reads = [asyncio.create_task(store.totals()) for _ in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        assert (await asyncio.gather(*[store.totals() for _ in range(10)]))[0].messages == 0


async def test_many_reads_and_writes_at_once_all_get_their_answer(store: Store) -> None:
    async def write() -> None:
        for number in range(20):
            await store.insert([message(f"{number}")])

    reads = [store.page_and_count(Filter(), None, 0, 100) for _ in range(100)]
    *pages, _ = await asyncio.gather(*reads, write())
    assert len(pages) == 100
    assert (await store.totals()).messages == 20
