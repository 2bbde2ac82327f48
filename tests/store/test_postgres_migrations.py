"""Migrations on PostgreSQL: existing data goes on, failures are undone, each runs once."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.errors import DatabaseError
from service.store.interface import Filter
from service.store.migrate import load_migrations
from service.store.postgres.connection import Connection
from service.store.postgres.store import PostgresStore
from service.store.queries import sql_folder
from tests.store.databases import PostgresDatabase
from tests.store.messages import NOON, message
from tests.store.processes import OPEN_A_POSTGRES_STORE, start_at_once
from tests.support.postgres.databases import Databases, connected

pytestmark = pytest.mark.anyio

OWN = len(load_migrations(sql_folder("postgres") / "migrations"))
"""How many migrations the service itself has; those of the tests follow."""

HOUR = 3_600 * 10**6

ROWS_OF_0001 = """
    INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text, created_at) VALUES
        ('counted', '+491', '+331', '2025-01-15 12:00Z', 'counted words', now()),
        ('a', '+491', '+332', '2025-01-15 11:00Z', 'first words', now()),
        ('b', '+492', '+332', '2025-01-15 13:00Z', 'other words', now());
    INSERT INTO senders VALUES ('+491', 1);
    INSERT INTO recipients VALUES ('+331', 1);
    UPDATE totals SET message_count = 1, sender_count = 1,
        first_ts = '2025-01-15 12:00Z', last_ts = '2025-01-15 12:00Z';
    INSERT INTO uncounted VALUES (gen_random_uuid(), 2,
        '2025-01-15 11:00Z', '2025-01-15 13:00Z', '{+491,+492}', '{+332,+332}');
    INSERT INTO unsearched VALUES (gen_random_uuid(), 2, '{a,b}');
"""
TEXTS_OF_0001 = """
    CREATE EXTENSION pg_trgm;
    CREATE TABLE texts (
        message_id TEXT COLLATE "C" PRIMARY KEY, text_folded TEXT NOT NULL
    );
    CREATE INDEX by_text ON texts USING gin (text_folded gin_trgm_ops);
    INSERT INTO texts VALUES ('counted', 'counted words');
"""
"""What search.sql made at that time."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PostgresDatabase]:
    with ExitStack() as stack:
        yield PostgresDatabase(tmp_path, stack)


class WithTrigrams(PostgresDatabase):
    has_trigrams = True


async def test_a_database_of_0001_goes_on_with_its_pending_batches(tmp_path: Path) -> None:
    with ExitStack() as stack:
        database = WithTrigrams(tmp_path, stack)
        first = load_migrations(database.sql / "migrations")[0]
        with connected(database.url) as run:
            run((database.sql / "queries" / "create_migrations.sql").read_text("utf-8"))
            run(first.sql + ROWS_OF_0001 + TEXTS_OF_0001)
            run(f"INSERT INTO migrations VALUES (1, '{first.name}', '{first.digest}', now())")  # noqa: S608
        async with database.opened() as store:
            for _ in range(2):
                totals = await store.totals()
                assert (totals.messages, totals.senders) == (3, 2)
                assert totals.top_senders == [("+491", 2), ("+492", 1)]
                assert (totals.first_ts, totals.last_ts) == (NOON - HOUR, NOON + HOUR)
                for chosen, ids in {
                    Filter(): ["a", "counted", "b"],
                    Filter(q_folded="words"): ["a", "counted", "b"],
                    Filter("+491"): ["a", "counted"],
                    Filter(None, "+332"): ["a", "b"],
                }.items():
                    rows, count = await store.page_and_count(chosen, None, 0, 10)
                    assert ([row.message_id for row in rows], count) == (ids, len(ids))
                await store.index_all()
        pending = "SELECT 1 FROM pending_counts UNION ALL SELECT 1 FROM pending_texts"
        assert fetch(database, pending) == []
        names = "SELECT indexname::text FROM pg_indexes WHERE tablename = 'texts' ORDER BY 1"
        assert fetch(database, names) == [("texts_by_trigram",), ("texts_pkey",)]


async def test_a_new_migration_runs_at_the_next_start(database: PostgresDatabase) -> None:
    await open_and_insert(database, "a")
    add(database, 1, "remarks", "CREATE TABLE remarks (remark TEXT);")
    await open_and_insert(database, "b")
    assert fetch(database, "SELECT count(*) FROM messages") == [(2,)]
    assert fetch(database, "SELECT count(*) FROM remarks") == [(0,)]
    assert added(database) == [1]


async def test_a_migration_that_fails_half_way_leaves_nothing(database: PostgresDatabase) -> None:
    await open_and_insert(database, "a")
    add(database, 1, "good", "CREATE TABLE good (x INTEGER);")
    bad = add(
        database, 2, "bad", "CREATE TABLE half (x INTEGER);\nDELETE FROM messages;\nNONSENSE;"
    )
    with pytest.raises(DatabaseError, match=rf"{bad} failed and was undone: syntax error"):
        await open_and_insert(database, "b")
    tables = "SELECT tablename::text FROM pg_tables WHERE tablename IN ('good', 'half')"
    assert fetch(database, tables) == [("good",)]
    assert fetch(database, "SELECT message_id FROM messages") == [("a",)]
    assert added(database) == [1]
    add(database, 2, "bad", "CREATE TABLE half (x INTEGER);")
    await open_and_insert(database, "b")
    assert added(database) == [1, 2]


async def test_a_database_of_another_version_is_refused(database: PostgresDatabase) -> None:
    name = add(database, 1, "a", "CREATE TABLE remarks (remark TEXT);")
    await open_and_insert(database, "a")
    add(database, 1, "a", "CREATE TABLE remarks (remark TEXT, more TEXT);")
    with pytest.raises(DatabaseError, match=rf"{name} is not what this database was given"):
        await open_and_insert(database, "b")
    (database.sql / "migrations" / name).unlink()
    with pytest.raises(DatabaseError, match=rf"newer version of the service, which ran {name}"):
        await open_and_insert(database, "b")
    add(database, 1, "a", "CREATE TABLE remarks (remark TEXT);")
    fetch(database, "DELETE FROM migrations WHERE number = 1")
    with pytest.raises(DatabaseError, match=r"0002_\w+\.sql without 0001_create_messages\.sql"):
        await open_and_insert(database, "b")


def test_sixteen_processes_that_start_at_once_migrate_once(database: PostgresDatabase) -> None:
    """Two migrations can't run twice, and are slow enough for all processes to meet in them."""
    for place in (1, 2):
        sql = f"CREATE TABLE slow_{place} (x INTEGER); SELECT pg_sleep(0.3);"
        add(database, place, "slow", sql)
    command = [sys.executable, "-c", OPEN_A_POSTGRES_STORE, database.url, str(database.sql)]
    start_at_once(command, 16)
    assert added(database) == [1, 2]


async def test_instances_that_create_the_list_of_migrations_at_the_same_moment_all_get_it(
    database: PostgresDatabase,
) -> None:
    """The second one gets one of three errors, the rarest once in 40 times."""
    url = database.url
    store = PostgresStore(url, database.sql, allows_async_commit=True)
    connections = [await asyncpg.connect(url) for _ in range(8)]
    wrapped = [Connection(connection, is_pooled=False) for connection in connections]
    for _ in range(60):
        await asyncio.gather(*map(store._migrator.create_list, wrapped))
        (row,) = await connections[0].fetch("SELECT number FROM migrations")
        assert row["number"] == 0
        await connections[0].execute("DROP TABLE migrations")
    for connection in connections:
        await connection.close()


def add(database: PostgresDatabase, place: int, name: str, sql: str) -> str:
    """Write a migration, at a place after the service's own; gives its file's name."""
    file = f"{OWN + place:04}_{name}.sql"
    (database.sql / "migrations" / file).write_text(sql, "utf-8")
    return file


def added(database: PostgresDatabase) -> list[int]:
    """The places of the tests' migrations that have run."""
    rows = fetch(database, "SELECT number FROM migrations ORDER BY number")
    return [number - OWN for (number,) in rows if number > OWN]


async def open_and_insert(database: PostgresDatabase, message_id: str) -> None:
    async with database.opened() as store:
        await store.insert([message(message_id)])


def fetch(database: PostgresDatabase, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in Databases(database.url).admin(sql)]
