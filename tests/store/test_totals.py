"""The counts that every store keeps, exact whatever happened."""

import random

import pytest

from service.store.interface import Filter, Store, StoreError, Totals
from tests.store.databases import Database
from tests.store.messages import NOON, meanwhile_inserting, message, row
from tests.support.model import Model

pytestmark = pytest.mark.anyio

YEAR_1 = -62_135_596_800_000_000


async def test_an_empty_store_has_no_instants(store: Store) -> None:
    assert await store.totals() == Totals(0, 0, None, None, [])


async def test_duplicates_and_conflicts_are_counted_once(store: Store) -> None:
    await store.insert([message("a", from_msisdn="+11"), message("b", from_msisdn="+11")])
    await store.insert([message("b", from_msisdn="+11"), message("a", from_msisdn="+12")])
    await store.insert([message("c", from_msisdn="+12"), message("c", from_msisdn="+13")])
    assert await store.totals() == Totals(3, 2, NOON, NOON, [("+11", 2), ("+12", 1)])


async def test_the_first_and_the_last_instant_are_those_of_ts_and_not_of_arrival(
    store: Store,
) -> None:
    for number, ts in enumerate([0, 5, -5, YEAR_1, 3]):
        await store.insert([message(f"{number}", ts=ts)])
    totals = await store.totals()
    assert (totals.first_ts, totals.last_ts) == (YEAR_1, 5)


async def test_a_failed_batch_counts_for_nothing(database: Database, store: Store) -> None:
    await store.insert([message("a")])
    before = await store.totals()
    with database.refusing("refused"), pytest.raises(StoreError):
        await store.insert([message("b", from_msisdn="+12", ts=0), message("refused")])
    assert await store.totals() == before


async def test_the_top_ten_are_ranked_by_count_and_then_by_number(store: Store) -> None:
    senders = [f"+1{number:02}" for number in range(30)]
    counts = [3] * 4 + [1] * 18 + [2] * 8
    sent = [
        message(f"{sender}-{number}", from_msisdn=sender)
        for sender, count in zip(senders, counts, strict=True)
        for number in range(count)
    ]
    await store.insert(random.Random(1).sample(sent, len(sent)))
    totals = await store.totals()
    assert totals == Model.of(row(each) for each in sent).totals()
    assert totals.top_senders == [
        *((sender, 3) for sender in senders[:4]),
        *((sender, 2) for sender in senders[22:28]),
    ]


async def test_a_number_is_ranked_as_a_string(store: Store) -> None:
    await store.insert([message(sender, from_msisdn=sender) for sender in ("+9", "+10", "+100")])
    assert [sender for sender, _ in (await store.totals()).top_senders] == ["+10", "+100", "+9"]


async def test_totals_outlive_the_store(database: Database) -> None:
    async with database.opened() as store:
        await store.insert([message("a"), message("b", ts=0)])
        before = await store.totals()
    async with database.opened() as store:
        assert await store.totals() == before


async def test_totals_are_of_one_moment(store: Store) -> None:
    senders = [f"+1{number}" for number in range(5)]
    batch = [message(sender, from_msisdn=sender) for sender in senders]
    async with meanwhile_inserting(store, *batch):
        for _ in range(150):
            totals = await store.totals()
            assert sum(count for _, count in totals.top_senders) == totals.messages
            assert totals.senders == len(totals.top_senders)


async def test_totals_agree_with_counting(store: Store) -> None:
    sent = [message(f"{number}", from_msisdn=f"+1{number % 7}", ts=number) for number in range(500)]
    await store.insert(sent)
    totals = await store.totals()
    for sender, count in totals.top_senders:
        rows, total = await store.page_and_count(Filter(from_msisdn=sender), None, 0, 1_000)
        assert count == total == len(rows)
