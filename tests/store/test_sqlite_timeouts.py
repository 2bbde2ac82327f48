"""A read on SQLite that fails, takes too long, or has no reader any more."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.store.interface import Filter, Outcome, QueryTimeout
from service.store.sqlite.store import SqliteStore
from tests.store.databases import SqliteDatabase
from tests.store.messages import message
from tests.store.sqlite_index import (
    ENDLESS,
    SENT,
    check,
    opened,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


async def test_a_read_that_fails_leaves_its_connection_as_it_was(database: SqliteDatabase) -> None:
    async with opened(database) as store:
        await store.insert(SENT)
        with pytest.raises(ZeroDivisionError):
            await store._read(Filter(), lambda reads: reads.totals().messages / 0)
        await check(store)


async def test_a_start_and_a_check_count_nothing(database: SqliteDatabase) -> None:
    """After a lost index, to count the unindexed messages may take longer than a read may."""
    (database.sql / "queries" / "read_totals.sql").write_text(ENDLESS, "utf-8")
    async with impatient(database) as store:
        await store.check()
        with pytest.raises(QueryTimeout):
            await store.totals()


@pytest.fixture
def endless(database: SqliteDatabase) -> SqliteDatabase:
    """A database where the count of a range never ends by itself."""
    (database.sql / "queries" / "count_by_ts.sql").write_text(ENDLESS, "utf-8")
    return database


RANGE = Filter(since=0)


@asynccontextmanager
async def impatient(database: SqliteDatabase) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database.path, database.sql, timeout_seconds=0.05)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def test_a_read_that_takes_too_long_is_stopped_and_others_go_on(
    endless: SqliteDatabase,
) -> None:
    async with impatient(endless) as store:
        for _ in range(3):
            with pytest.raises(QueryTimeout, match=r"no answer within 0\.05 s"):
                await store.page_and_count(RANGE, None, 0, 10)
        assert await store.insert([message("a")]) == [Outcome.CREATED]
        assert len(await store.page(RANGE, None, 0, 10)) == 1


async def test_reads_that_wait_too_long_for_a_connection_are_given_up(
    endless: SqliteDatabase,
) -> None:
    async with impatient(endless) as store:
        reads = [store.page_and_count(RANGE, None, 0, 10) for _ in range(20)]
        outcomes = await asyncio.gather(*reads, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {QueryTimeout}
        assert (await store.totals()).messages == 0


async def test_a_caller_may_set_a_shorter_limit(database: SqliteDatabase) -> None:
    (database.sql / "queries" / "page_by_ts.sql").write_text(ENDLESS, "utf-8")
    async with opened(database) as store:
        with pytest.raises(QueryTimeout, match=r"no answer within 0\.01 s"):
            await store.page(RANGE, None, 0, 10, seconds_max=0.01)


async def test_a_statement_that_begins_after_the_deadline_is_stopped_too(
    database: SqliteDatabase,
) -> None:
    def read(raw: Any) -> Any:
        time.sleep(0.2)
        return raw.execute(ENDLESS).fetchall()

    async with opened(database) as store:
        with pytest.raises(QueryTimeout):
            await store._readers.run_for(0.05, read)


@pytest.mark.parametrize("seconds", [0, 0.01, 0.1])
async def test_a_cancelled_read_is_stopped(endless: SqliteDatabase, seconds: float) -> None:
    """The store waits for its connections, so otherwise it would never close."""
    async with opened(endless) as store:
        reads = [asyncio.create_task(store.page_and_count(RANGE, None, 0, 10)) for _ in range(6)]
        await asyncio.sleep(seconds)
        for read in reads:
            read.cancel()
        outcomes = await asyncio.gather(*reads, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        assert (await store.totals()).messages == 0
