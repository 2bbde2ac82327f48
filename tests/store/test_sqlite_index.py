"""The index file: derived from the messages, always replaceable, never waited for."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from service.errors import DatabaseError
from service.store.interface import Filter, Outcome, QueryTimeout, StoreError
from service.store.sqlite import indexer, reads
from service.store.sqlite.indexer import index_path
from service.store.sqlite.pool import driver
from service.store.sqlite.reads import match_parts
from service.store.sqlite.store import SqliteStore
from tests.store.databases import Indexing, SqliteDatabase, steer
from tests.store.messages import NOON, message, row
from tests.support.model import Model

pytestmark = pytest.mark.anyio

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
STORE_ONE_MORE_BY_SQL = STORE_ONE_MORE.replace("?", "'by SQL'")
BREAK_THE_INDEX = """
CREATE TRIGGER broken BEFORE UPDATE ON totals
BEGIN
    SELECT RAISE(ABORT, 'broken by the test');
END
"""
ENDLESS = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers)
SELECT max(number) FROM numbers;
"""


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


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
    """Store SENT, and take all of it into the index."""
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(SENT)


async def check(store: SqliteStore) -> None:
    """That the store answers as the model does."""
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


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize(
    ("q", "indexing"),
    [("te", Indexing.AFTER), ("te", Indexing.NEVER), ("text number", Indexing.AFTER)],
)
async def test_a_long_search_is_of_one_moment_and_leaves_the_wal_alone(
    database: SqliteDatabase,
    monkeypatch: pytest.MonkeyPatch,
    q: str,
    indexing: Indexing,
    few: int,
) -> None:
    """It finds nothing that is stored between its chunks. The WAL can be checkpointed there."""
    monkeypatch.setattr(reads, "FEW_MESSAGES", few)
    monkeypatch.setattr(reads, "CHUNK_MESSAGES", 30)
    moved: list[tuple[int, int, int]] = []
    begin, begun = reads.Reads._begin, set[int]()

    def store_and_begin(read: reads.Reads) -> None:
        if id(read) in begun:
            with closing(database.connect()) as writer:
                writer.execute(STORE_ONE_MORE, (f"late {len(moved)}",))
                moved.append(writer.execute("PRAGMA wal_checkpoint").fetchone())
        begun.add(id(read))
        begin(read)

    chosen = Filter(q_folded=q)
    async with opened(database, indexing) as store:
        await store.insert(SENT)
        monkeypatch.setattr(reads.Reads, "_begin", store_and_begin)
        rows, count = await store.page_and_count(chosen, None, 0, 100)
        assert count == len(MODEL.matching(chosen))
        assert rows == MODEL.page(chosen, None, 0, 100)
        in_chunks = few == 0 or q == "te"
        assert [busy for busy, _, _ in moved] == [0, 0, 0, 0] * in_chunks
        assert all(frames == moved_frames for _, frames, moved_frames in moved)


async def test_a_read_that_fails_leaves_its_connection_as_it_was(database: SqliteDatabase) -> None:
    async with opened(database) as store:
        await store.insert(SENT)
        with pytest.raises(ZeroDivisionError):
            await store._read(Filter(), lambda reads: reads.totals().messages / 0)
        await check(store)


SPOILED = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"This is somebody's letter. " * 400),
    "cut off": lambda file: os.truncate(file, 8192),
    "another database": lambda file: query(file, "DROP TABLE indexed"),
    "of another database": lambda file: query(file, "UPDATE indexed SET message_id = 'x'"),
    "ahead": lambda file: query(file, "UPDATE indexed SET seq = 1000"),
    "of another version": lambda file: query(file, "UPDATE indexed SET digest = 'x'"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=[*SPOILED])
async def test_an_index_that_is_not_the_one_is_made_anew(
    database: SqliteDatabase, spoil: Any
) -> None:
    await fill(database)
    spoil(index_path(database.path))
    async with opened(database) as store:
        await check(store)
        await store.index_all()
        await check(store)
    assert indexed(database) == len(SENT)


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=[*SPOILED])
async def test_of_several_that_start_at_once_one_makes_the_index_anew(
    database: SqliteDatabase, spoil: Any
) -> None:
    await fill(database)
    spoil(index_path(database.path))
    stores = [SqliteStore(database.path, database.sql) for _ in range(4)]
    try:
        opening = (store.open() for store in stores)
        assert await asyncio.gather(*opening, return_exceptions=True) == [None] * 4
        for store in stores:
            await store.index_all()
            await check(store)
    finally:
        for store in stores:
            await store.close()
    assert indexed(database) == len(SENT)


async def test_an_index_that_another_process_writes_is_used_and_left_where_it_is(
    database: SqliteDatabase,
) -> None:
    async with database.opened() as store:
        await store.insert(SENT)
    path = index_path(database.path)
    inode = path.stat().st_ino
    with closing(driver.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with database.opened() as store:
            assert (await store.totals()).messages == len(SENT)
        other.rollback()
    assert path.stat().st_ino == inode


async def test_a_new_index_that_another_process_makes_is_not_removed(
    database: SqliteDatabase,
) -> None:
    path = index_path(database.path)
    with (database.sql / "index_connection.sql").open("a") as file:
        file.write("PRAGMA busy_timeout = 10;\n")
    with closing(driver.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        inode = path.stat().st_ino
        with pytest.raises(DatabaseError, match="locked"):
            async with database.opened():
                pass
        other.rollback()
        assert path.stat().st_ino == inode


async def test_a_change_of_the_index_makes_it_anew(database: SqliteDatabase) -> None:
    await fill(database)
    database.rewrite("index.sql", "CREATE TABLE recipients", "-- changed\nCREATE TABLE recipients")
    async with opened(database) as store:
        assert indexed(database) == 0
        await check(store)


async def test_the_index_of_a_database_that_is_gone_is_not_kept(database: SqliteDatabase) -> None:
    await fill(database)
    database.path.unlink()
    async with opened(database) as store:
        assert (await store.totals()).messages == 0
        await store.insert([message("new")])
        await store.index_all()
        assert (await store.totals()).messages == 1
    assert indexed(database) == 1


async def test_the_index_of_a_later_state_is_not_kept(database: SqliteDatabase) -> None:
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(SENT[:10])
    backup = database.path.read_bytes()
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(SENT[10:20])
    database.path.write_bytes(backup)
    async with opened(database) as store:
        await store.insert([message(f"other-{number}") for number in range(20)])
        assert (await store.totals()).messages == 30
        rows, total = await store.page_and_count(Filter(), None, 0, 1_000)
        assert total == len(rows) == 30


async def test_an_index_that_lost_its_last_batches_takes_them_again(
    database: SqliteDatabase,
) -> None:
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(SENT[:50])
    before = index_path(database.path).read_bytes()
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(SENT[50:])
    index_path(database.path).write_bytes(before)
    async with opened(database) as store:
        await check(store)
        await store.index_all()
        await check(store)


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
    """A duplicate takes a seq, and stores nothing. Neither does what others have deleted."""
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


async def test_an_index_that_cannot_be_written_delays_no_message_and_fails_the_check(
    database: SqliteDatabase,
) -> None:
    async with opened(database, Indexing.ALONE) as store:
        query(index_path(database.path), BREAK_THE_INDEX)
        assert await store.insert(SENT) == [Outcome.CREATED] * len(SENT)
        await check(store)
        await until(lambda: fails_its_check(store))
        query(index_path(database.path), "DROP TRIGGER broken")
        await until(lambda: passes_its_check(store))
        await check(store)
    assert indexed(database) == len(SENT)


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


async def passes_its_check(store: SqliteStore) -> bool:
    with suppress(StoreError):
        await store.check()
        return True
    return False


async def fails_its_check(store: SqliteStore) -> bool:
    return not await passes_its_check(store)


async def until_indexed(database: SqliteDatabase) -> None:
    async def is_indexed() -> bool:
        return indexed(database) == len(SENT)

    await until(is_indexed)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so; a test that waits in vain is ended by its time limit."""
    while not await holds():  # noqa: ASYNC110 - another thread makes it so
        await asyncio.sleep(0.01)


async def test_a_start_and_a_check_count_nothing(database: SqliteDatabase) -> None:
    """Where the index is made anew, counting what it lacks may take longer than a read may."""
    (database.sql / "queries" / "read_totals.sql").write_text(ENDLESS, "utf-8")
    async with impatient(database) as store:
        await store.check()
        with pytest.raises(QueryTimeout):
            await store.totals()


@pytest.fixture
def endless(database: SqliteDatabase) -> SqliteDatabase:
    """A database where counting the messages of a range never ends by itself."""
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


async def test_a_caller_may_have_less_patience(database: SqliteDatabase) -> None:
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
async def test_a_read_that_nobody_waits_for_is_stopped(
    endless: SqliteDatabase, seconds: float
) -> None:
    """Else the store would never close: it waits for what its connections do."""
    async with opened(endless) as store:
        reads = [asyncio.create_task(store.page_and_count(RANGE, None, 0, 10)) for _ in range(6)]
        await asyncio.sleep(seconds)
        for read in reads:
            read.cancel()
        outcomes = await asyncio.gather(*reads, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        assert (await store.totals()).messages == 0


PARTS = {
    "": "",
    "ab": "",
    "abc": '"abc"',
    "abcd": '"abc" AND "bcd"',
    "aaaaaa": '"aaa"',
    'a"b': '"a""b"',
    '"""': '""""""""',
    "👍👍👍": '"👍👍👍"',
}


@pytest.mark.parametrize(("q", "expression"), PARTS.items())
def test_a_search_is_for_all_its_parts_of_three_characters(q: str, expression: str) -> None:
    assert match_parts(q) == expression


FEW_BESIDE_A_COMMON_TEXT = {
    "in a range": Filter(since=NOON - 20, until=NOON - 15, q_folded="text number"),
    "in a range of some": Filter(since=NOON - 50, until=NOON - 15, q_folded="text number"),
    "of a sender": Filter(from_msisdn="+11", q_folded="text number"),
    "of a sender in a range": Filter("+11", since=NOON - 20, q_folded="text number"),
}


@pytest.mark.parametrize(
    "chosen", FEW_BESIDE_A_COMMON_TEXT.values(), ids=[*FEW_BESIDE_A_COMMON_TEXT]
)
@pytest.mark.parametrize("few_messages", [0, 2, 10])
async def test_a_search_for_a_common_text_can_be_narrowed(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, chosen: Filter, few_messages: int
) -> None:
    """It must not look at all that have the text, as it does where that is the shortest way."""
    monkeypatch.setattr(reads, "FEW_MESSAGES", few_messages)
    await fill(database)
    (database.sql / "queries" / "count_by_text.sql").write_text("SELECT -1", "utf-8")
    async with opened(database) as store:
        expected = MODEL.matching(chosen)
        assert await store.page_and_count(chosen, None, 0, 100) == (expected, len(expected))
        assert (await store.page_and_count(Filter(q_folded="text number"), None, 0, 1))[1] == -1


@pytest.mark.parametrize("few_messages", [0, 1, 79, 80, 1_000])
async def test_a_text_that_many_unindexed_messages_have_is_not_held_in_memory(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, few_messages: int
) -> None:
    """After a lost index, all messages are unindexed."""
    monkeypatch.setattr(reads, "FEW_MESSAGES", few_messages)
    chosen = Filter(q_folded="text number")
    expected = MODEL.matching(chosen)
    assert len(expected) == 80
    if few_messages >= len(expected):
        for name in ("page_by_ts", "count_by_text"):
            (database.sql / "queries" / f"{name}.sql").write_text("SELECT -1", "utf-8")
    async with opened(database) as store:
        await store.insert(SENT)
        found = await store.page_and_count(chosen, None, 0, 100)
    assert found == (expected, len(expected))


SYNTAX = [
    *("and", " or ", "not x", "near(a b)", "text_folded:x", "{a}:b"),
    *("a*b", "^ab", "(((", "-abc", "a + b", "'' '", '"a" "b"', "a\\b\\c", "\ufffe\uffff\ufffd"),
]


@pytest.mark.parametrize("q", SYNTAX)
async def test_a_search_has_no_syntax(database: SqliteDatabase, q: str) -> None:
    sent = [message("a", text=f"x{q.upper()}y"), message("b", text="not, and; or x text_folded")]
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(sent)
        rows, total = await store.page_and_count(Filter(q_folded=q), None, 0, 10)
    expected = Model.of(row(each) for each in sent).matching(Filter(q_folded=q))
    assert "a" in [each.message_id for each in expected]
    assert (rows, total) == (expected, len(expected))


async def test_the_longest_search_is_answered(database: SqliteDatabase) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 4_096)))
    async with opened(database, Indexing.AFTER) as store:
        await store.insert([message("a", text=text), message("b", text=text[:-1] + "a")])
        rows, total = await store.page_and_count(Filter(q_folded=text), None, 0, 10)
    assert ([each.message_id for each in rows], total) == (["a"], 1)


async def test_parts_of_a_search_apart_from_each_other_are_not_it(
    database: SqliteDatabase,
) -> None:
    async with opened(database, Indexing.AFTER) as store:
        await store.insert([message("a", text="abcd bcde"), message("b", text="abcde")])
        rows, total = await store.page_and_count(Filter(q_folded="abcde"), None, 0, 10)
    assert ([each.message_id for each in rows], total) == (["b"], 1)
