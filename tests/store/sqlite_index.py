"""A hundred messages, and how far a SQLite store has indexed them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from service.store.interface import Filter
from service.store.sqlite.connection import driver
from service.store.sqlite.index_file import index_path
from service.store.sqlite.store import SqliteStore
from tests.store.databases import Indexing, SqliteDatabase, steer
from tests.store.messages import NOON, message, row
from tests.support.model import Model

SENT = [
    message(
        f"{number:03}",
        from_msisdn=f"+1{number % 7}",
        to_msisdn=f"+2{number % 3}",
        ts=NOON - number,
        text=f"text number {number}" if number % 5 else None,
    )
    for number in range(100)
]
MODEL = Model.of(row(each) for each in SENT)
FILTERS = [
    Filter(),
    Filter(from_msisdn="+11"),
    Filter(to_msisdn="+22"),
    Filter("+11", "+22"),
    Filter(since=NOON - 50),
    Filter(q_folded="number 4"),
    Filter(q_folded="4"),
]

STORE_ONE_MORE = """
INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text, created_at)
VALUES (?, '+11', '+22', 0, 'text number', 0)
"""
ENDLESS = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers)
SELECT max(number) FROM numbers;
"""


@asynccontextmanager
async def opened(
    database: SqliteDatabase, indexing: Indexing = Indexing.NEVER
) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database.path, database.sql, timeout_seconds=60)
    steer(store, indexing)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def fill(database: SqliteDatabase) -> None:
    """Store SENT, and index all of it."""
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(SENT)


async def check(store: SqliteStore) -> None:
    """The store answers as the model does."""
    assert await store.totals() == MODEL.totals()
    for chosen in FILTERS:
        expected = MODEL.matching(chosen)
        assert await store.page_and_count(chosen, None, 0, 1_000) == (expected, len(expected))


def query(path: Path, sql: str) -> list[Any]:
    with closing(driver.connect(path, isolation_level=None)) as connection:
        rows: list[Any] = connection.execute(sql).fetchall()
        return rows


def indexed(database: SqliteDatabase) -> int:
    """How many messages are in the index."""
    ((count,),) = query(index_path(database.path), "SELECT count(*) FROM messages_by_ts")
    return int(count)


async def until_indexed(database: SqliteDatabase) -> None:
    async def is_indexed() -> bool:
        return indexed(database) == len(SENT)

    await until(is_indexed)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds. The time limit of the test ends a wait in vain."""
    while not await holds():  # noqa: ASYNC110 - another thread makes it so
        await asyncio.sleep(0.01)
