"""An index file that is missing, spoilt or of another database is built again."""

import asyncio
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.store.interface import Filter
from service.store.sqlite import indexer
from service.store.sqlite.connection import driver
from service.store.sqlite.index_file import index_path
from service.store.sqlite.store import SqliteStore
from tests.store.databases import Indexing, SqliteDatabase
from tests.store.messages import message
from tests.store.sqlite_index import (
    SENT,
    check,
    fill,
    indexed,
    opened,
    query,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


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
async def test_an_index_that_does_not_fit_is_built_again(
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
async def test_of_several_starts_at_once_one_builds_the_index_again(
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


async def test_a_change_of_index_sql_builds_the_index_again(database: SqliteDatabase) -> None:
    await fill(database)
    database.rewrite("index.sql", "CREATE TABLE recipients", "-- changed\nCREATE TABLE recipients")
    async with opened(database) as store:
        assert indexed(database) == 0
        await check(store)


async def test_a_change_of_the_folding_builds_the_index_again(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(indexer, "FOLDING", 1)
        await fill(database)
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
