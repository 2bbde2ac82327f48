"""The index of SQLite follows the messages, and counts those that it lacks."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from service.store.interface import Outcome, StoreError
from service.store.sqlite import indexer
from service.store.sqlite.index_file import index_path
from tests.store.databases import Indexing, SqliteDatabase
from tests.store.messages import message
from tests.store.sqlite_index import (
    SENT,
    STORE_ONE_MORE,
    check,
    fill,
    indexed,
    opened,
    query,
    until_indexed,
)

pytestmark = pytest.mark.anyio

STORE_ONE_MORE_BY_SQL = STORE_ONE_MORE.replace("?", "'by SQL'")
BREAK_THE_INDEX = """
CREATE TRIGGER broken BEFORE UPDATE ON totals
BEGIN
    SELECT RAISE(ABORT, 'broken by the test');
END
"""


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


async def test_messages_get_into_the_index_by_themselves(database: SqliteDatabase) -> None:
    async with opened(database, Indexing.ALONE) as store:
        await store.insert(SENT)
        await until_indexed(database)
        await check(store)


async def test_a_start_takes_up_what_the_last_one_left(database: SqliteDatabase) -> None:
    async with opened(database, Indexing.NEVER) as store:
        await store.insert(SENT)
    assert indexed(database) == 0
    async with opened(database, Indexing.ALONE):
        await until_indexed(database)


@pytest.mark.parametrize("messages_a_batch", [1, 7, 100, 1_000])
async def test_batches_of_any_size_make_the_same_index(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, messages_a_batch: int
) -> None:
    monkeypatch.setattr(indexer, "BATCH_MESSAGES_MAX", messages_a_batch)
    await fill(database)
    assert indexed(database) == len(SENT)
    async with opened(database) as store:
        await check(store)


async def test_a_half_filled_index_answers_as_a_full_one(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "BATCH_MESSAGES_MAX", 10)
    async with opened(database) as store:
        await store.insert(SENT)
        for batches in range(11):
            assert indexed(database) == min(10 * batches, 100)
            await check(store)
            await store._indexer._index_next()


async def test_unindexed_messages_are_counted_exactly(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "BATCH_MESSAGES_MAX", 8)
    async with opened(database) as store:
        assert store.messages_behind() == 0
        await store.insert(SENT[:20])
        assert store.messages_behind() == 20
        await store._indexer._index_next()
        assert store.messages_behind() == 12
        await store.index_all()
        assert store.messages_behind() == 0


async def test_a_number_that_no_message_has_is_not_counted(database: SqliteDatabase) -> None:
    """A duplicate uses up a seq, and a deleted message leaves one unused."""
    async with opened(database) as store:
        await store.insert(SENT[:20])
        await store.index_all()
        await store.insert(SENT[:40])
        assert store.messages_behind() == 20
    query(database.path, "DELETE FROM messages WHERE message_id >= '030'")
    async with opened(database) as store:
        await store._indexer._count_unindexed()
        assert store.messages_behind() == 10


async def test_after_a_lost_index_all_messages_are_counted_in_chunks(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "CHUNK_MESSAGES", 7)
    await fill(database)
    index_path(database.path).unlink()
    async with opened(database) as store:
        await store._indexer._count_unindexed()
        assert store.messages_behind() == len(SENT)


@pytest.mark.parametrize("change", ["DELETE FROM messages WHERE seq > 10", STORE_ONE_MORE_BY_SQL])
async def test_the_count_of_unindexed_messages_is_right_again_after_others_wrote(
    database: SqliteDatabase, change: str
) -> None:
    async with opened(database) as store:
        await store.insert(SENT[:20])
        query(database.path, change)
        await store.index_all()
        assert store.messages_behind() == 0


async def test_two_stores_fill_one_index_once(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "BATCH_MESSAGES_MAX", 3)
    database.rewrite("connection.sql", "busy_timeout = 300;", "busy_timeout = 60000;")
    async with opened(database) as one, opened(database) as other:
        await asyncio.gather(one.insert(SENT[:60]), other.insert(SENT[40:]))
        await asyncio.gather(one.index_all(), other.index_all())
        await check(one)
        await check(other)
    assert indexed(database) == len(SENT)


async def test_indexing_all_ends_though_as_much_is_stored_meanwhile(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "BATCH_MESSAGES_MAX", 10)
    async with opened(database, Indexing.NEVER) as store:
        await store.insert(SENT[:20])
        loop, index_batch = asyncio.get_running_loop(), store._indexer._index_batch

        def index_batch_and_store_more(connection: sqlite3.Connection) -> indexer.Batch:
            batch = index_batch(connection)
            more = [message(f"after-{batch.last_seq}-{number}") for number in range(10)]
            asyncio.run_coroutine_threadsafe(store.insert(more), loop).result()
            return batch

        monkeypatch.setattr(store._indexer, "_index_batch", index_batch_and_store_more)
        await store.index_all()
        assert indexed(database) == 20
        assert (await store.totals()).messages == 40


async def test_an_index_that_cannot_be_written_delays_no_message_and_is_still_ready(
    database: SqliteDatabase,
) -> None:
    async with opened(database, Indexing.ALONE) as store:
        query(index_path(database.path), BREAK_THE_INDEX)
        assert await store.insert(SENT) == [Outcome.CREATED] * len(SENT)
        await check(store)
        await store.check()
        assert indexed(database) == 0
        query(index_path(database.path), "DROP TRIGGER broken")
        await until_indexed(database)
        await check(store)


async def test_a_batch_that_fails_leaves_nothing_in_the_index(database: SqliteDatabase) -> None:
    async with opened(database) as store:
        await store.insert(SENT)
        query(index_path(database.path), BREAK_THE_INDEX)
        with pytest.raises(StoreError, match="broken by the test"):
            await store.index_all()
        assert indexed(database) == 0
        query(index_path(database.path), "DROP TRIGGER broken")
        await store.index_all()
        await check(store)
