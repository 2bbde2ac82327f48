"""The statements of each read on PostgreSQL: every statement is a round trip."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from service.store.interface import Filter, Store
from service.store.postgres import reads as postgres_reads
from service.store.postgres.connection import Connection
from service.store.postgres.store import PostgresStore
from tests.store.databases import Database, PostgresDatabase
from tests.store.messages import NOON, message, row

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database", ["postgres-mixed"], indirect=True),
]

ANNA, BEN = "+4917012345", "+33612345678"
SENT = [
    message(f"{number:03}", from_msisdn=ANNA, to_msisdn=BEN, text=f"Number {number}")
    for number in range(100)
]

SNAPSHOT = "a transaction"

PAGES = {
    "all": (Filter(), ["page_by_ts"]),
    "range": (Filter(since=NOON), ["page_by_ts"]),
    "from": (Filter(ANNA), ["page_by_from"]),
    "to": (Filter(None, BEN), ["page_by_to"]),
    "from and to": (Filter(ANNA, BEN), ["page_by_pair"]),
    "text": (Filter(q_folded="number 7"), ["page_by_text"]),
    "text in a range": (Filter(since=NOON, q_folded="number 7"), ["page_by_text"]),
    "from and text": (Filter(ANNA, q_folded="number 7"), ["total_of_sender", "page_by_text"]),
    "a text of others": (
        Filter(BEN, q_folded="number 7"),
        ["total_of_sender", "page_by_text", "page_by_from"],
    ),
}
"""Of `page`, by filter."""

COUNTS = {
    "all": (Filter(), [SNAPSHOT, "page_by_ts", "total_of_all"]),
    "from": (Filter(ANNA), [SNAPSHOT, "page_by_from", "total_of_sender"]),
    "to": (Filter(None, BEN), [SNAPSHOT, "page_by_to", "total_of_recipient"]),
    "from and to": (Filter(ANNA, BEN), [SNAPSHOT, "page_by_pair", "count_by_pair"]),
    "from in a range": (Filter(ANNA, since=NOON), [SNAPSHOT, "page_by_from", "count_by_from"]),
    "text": (Filter(q_folded="number 7"), ["page_by_text"]),
    "from and text": (Filter(ANNA, q_folded="number 7"), ["total_of_sender", "page_by_text"]),
    "a text of others": (
        Filter(BEN, q_folded="number 7"),
        ["total_of_sender", "page_by_text", SNAPSHOT, "page_by_from", "count_by_from"],
    ),
}
"""Of `page_and_count`, by filter."""


@pytest.fixture
async def filled(store: Store) -> Store:
    await store.insert(SENT)
    await store.index_all()
    return store


@pytest.fixture
def run(filled: Store) -> Iterator[list[str]]:
    """The names of the statements that ran, and where a transaction began."""
    assert isinstance(filled, PostgresStore)
    names = {sql: name for name, sql in msgspec.structs.asdict(filled._queries).items()}
    found: list[str] = []
    fetch, snapshot = Connection.fetch, Connection.snapshot

    def note_fetch(connection: Connection, sql: str, *parameters: Any) -> Any:
        found.append(names[sql])
        return fetch(connection, sql, *parameters)

    def note_snapshot(connection: Connection) -> Any:
        found.append(SNAPSHOT)
        return snapshot(connection)

    with (
        patch.object(Connection, "fetch", note_fetch),
        patch.object(Connection, "snapshot", note_snapshot),
    ):
        yield found


@pytest.mark.parametrize(("chosen", "expected"), PAGES.values(), ids=[*PAGES])
async def test_a_page_takes_one_statement_where_there_is_nothing_to_choose(
    filled: Store, run: list[str], chosen: Filter, expected: list[str]
) -> None:
    await filled.page(chosen, None, 0, 10)
    assert run == expected


@pytest.mark.parametrize(("chosen", "expected"), COUNTS.values(), ids=[*COUNTS])
async def test_a_page_and_its_count_take_one_statement_each_or_one_together(
    filled: Store, run: list[str], chosen: Filter, expected: list[str]
) -> None:
    await filled.page_and_count(chosen, None, 0, 10)
    assert run == expected


async def test_the_totals_take_one_statement(filled: Store, run: list[str]) -> None:
    await filled.totals()
    assert run == ["read_totals"]


COMMON = [
    message(
        f"{number:03}",
        from_msisdn=ANNA if number % 20 == 0 else BEN,
        to_msisdn=BEN,
        ts=NOON + number,
        text=f"Common number {number}",
    )
    for number in range(200)
]
NARROWED = {
    "in a range": Filter(since=NOON + 100, until=NOON + 105),
    "in a range of some": Filter(since=NOON + 100, until=NOON + 160),
    "in a range of none": Filter(since=NOON + 1_000),
    "of a sender": Filter(ANNA),
    "of a sender in a range": Filter(BEN, since=NOON + 190),
    "of a recipient in a range": Filter(None, BEN, since=NOON + 190),
    "of a pair in a range": Filter(BEN, BEN, since=NOON + 190),
}
"""Filters that fewer messages have than a common text."""


SELDOM = [
    Filter(since=NOON + 5, q_folded="number 15"),
    Filter(BEN, since=NOON + 5, q_folded="number 15"),
    Filter(q_folded="common number"),
]
"""Filters whose text fewer messages have than match the rest."""


async def fill_with_common(database: Database) -> None:
    """Store COMMON, index all of it, and make the count by the index of texts wrong."""
    assert isinstance(database, PostgresDatabase)
    async with database.opened() as store:
        await store.insert(COMMON)
        await store.index_all()
    (database.sql / "queries" / "count_by_text.sql").write_text("SELECT -1", "utf-8")


@pytest.mark.parametrize("chosen", NARROWED.values(), ids=[*NARROWED])
@pytest.mark.parametrize("few_messages", [0, 2, 50])
async def test_the_count_of_a_common_text_can_be_narrowed(
    database: Database, chosen: Filter, few_messages: int
) -> None:
    """The count must not use the index of texts, which is wrong here."""
    await fill_with_common(database)
    expected = [
        row(each)
        for each in COMMON
        if chosen.from_msisdn in (None, each.from_msisdn) and chosen.since <= each.ts < chosen.until
    ]
    async with database.opened() as store:
        with patch.object(postgres_reads, "FEW_MESSAGES", few_messages):
            found = await store.page_and_count(
                chosen._replace(q_folded="common number"), None, 0, 1_000
            )
    assert found == (expected, len(expected))


@pytest.mark.parametrize("chosen", SELDOM)
async def test_a_text_that_fewer_have_is_counted_by_the_index(
    database: Database, chosen: Filter
) -> None:
    await fill_with_common(database)
    async with database.opened() as store:
        with patch.object(postgres_reads, "FEW_MESSAGES", 2):
            assert (await store.page_and_count(chosen, None, 0, 1))[1] == -1
