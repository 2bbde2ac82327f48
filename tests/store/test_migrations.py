"""Migrations: append only, each undone completely when it fails, each run once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.errors import DatabaseError
from service.store.migrate import Migration, choose_pending, load_migrations
from service.store.postgres.connection import Session
from service.store.postgres.store import PostgresStore
from service.store.sqlite.pool import split_statements
from tests.store.databases import PostgresDatabase, SqliteDatabase
from tests.store.messages import message
from tests.support.postgres.databases import Databases

ONE, TWO, THREE = (
    Migration(number, f"{number:04}_{name}.sql", f"digest of {name}", "SELECT 1;")
    for number, name in ((1, "one"), (2, "two"), (3, "three"))
)
SLOW = """
CREATE TABLE NAME AS
WITH RECURSIVE numbers (number) AS (
    SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 100000
)
SELECT number FROM numbers;
"""
OPEN_A_STORE = """
import asyncio, pathlib, sys
from service.store.sqlite.store import SqliteStore

async def main():
    store = SqliteStore(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    await store.open()
    await store.close()

print("ready", flush=True)
sys.stdin.read()
asyncio.run(main())
"""
OPEN_A_POSTGRES_STORE = (
    OPEN_A_STORE.replace("sqlite", "postgres")
    .replace("SqliteStore", "PostgresStore")
    .replace("pathlib.Path(sys.argv[1])", "sys.argv[1]")
    .replace("sys.argv[2])", "sys.argv[2]), allows_async_commit=True")
)


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1;\n", "utf-8")
    return folder


def applied(*migrations: Migration) -> list[tuple[int, str, str]]:
    return [(number, name, digest) for number, name, digest, _ in migrations]


def test_migrations_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["0001_b.sql", "0002_a2.sql", "0003_add_an_index.sql"]
    found = load_migrations(files(tmp_path, *names[::-1]))
    assert [migration.name for migration in found] == names
    assert [migration.number for migration in found] == [1, 2, 3]
    assert found[0].sql == "SELECT 1;\n"


@pytest.mark.parametrize(
    "names",
    [["0002_a.sql"], ["0000_a.sql"], ["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"]],
    ids=["begins with 2", "begins with 0", "a gap", "a repetition"],
)
def test_numbers_begin_with_1_and_leave_none_out(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(DatabaseError, match=f"{names[-1]} should have the number 000[12]"):
        load_migrations(files(tmp_path, *names))


@pytest.mark.parametrize(
    "name",
    [
        "1_a.sql",
        "00001_a.sql",
        "0001-a.sql",
        "0001_A.sql",
        "0001_.sql",
        "0001.sql",
        "0001_a.sql~",
        "a.sql",
        "README.md",
    ],
)
def test_a_strange_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatabaseError, match=r"NNNN_what_it_does\.sql"):
        load_migrations(files(tmp_path, name))


def test_the_line_ends_of_a_checkout_change_no_digest(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT\n1;\n")
    unix = load_migrations(tmp_path)
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT\r\n1;\r\n")
    assert load_migrations(tmp_path) == unix


@pytest.mark.parametrize(
    ("done", "pending"),
    [([], [ONE, TWO]), ([ONE], [TWO]), ([ONE, TWO], [])],
    ids=["none", "one", "all"],
)
def test_what_has_run_does_not_run_again(done: list[Migration], pending: list[Migration]) -> None:
    assert choose_pending([ONE, TWO], applied(*done)) == pending


def test_a_file_that_was_edited_after_it_ran_is_refused() -> None:
    edited = ONE._replace(digest="another")
    with pytest.raises(DatabaseError, match=r"0001_one\.sql is not what this database was given"):
        choose_pending([edited, TWO], applied(ONE))


def test_a_newer_database_is_refused() -> None:
    with pytest.raises(DatabaseError, match=r"newer version .* 0003_three\.sql"):
        choose_pending([ONE, TWO], applied(ONE, TWO, THREE))


def test_a_database_that_lacks_an_earlier_one_is_refused() -> None:
    with pytest.raises(DatabaseError, match=r"0002_two\.sql without 0001_one\.sql"):
        choose_pending([ONE, TWO], applied(TWO))


TRIGGER = """
CREATE TRIGGER t AFTER INSERT ON m
BEGIN
    SELECT 1; -- that's all;
    SELECT CASE 1 WHEN 1 THEN ';' END;
END;"""

STATEMENTS = {
    "nothing": ("", []),
    "one": ("SELECT 1;", ["SELECT 1;"]),
    "two on a line": ("SELECT 1; SELECT 2;", ["SELECT 1;", " SELECT 2;"]),
    "one on two lines": ("SELECT\n1;\n", ["SELECT\n1;"]),
    "the last without a semicolon": ("SELECT 1;\nSELECT 2", ["SELECT 1;", "\nSELECT 2"]),
    "in a string": ("SELECT ';';", ["SELECT ';';"]),
    "in a string with a quote": ("SELECT 'a'';b';", ["SELECT 'a'';b';"]),
    "in a name": ('SELECT ";", [;], `;`;', ['SELECT ";", [;], `;`;']),
    "in a comment": ("-- a; b\nSELECT 1;", ["-- a; b\nSELECT 1;"]),
    "in a comment amid": ("SELECT -- a;\n1;", ["SELECT -- a;\n1;"]),
    "in a long comment": ("/* a;\nb; */ SELECT 1;", ["/* a;\nb; */ SELECT 1;"]),
    "a quote in a comment": ("-- it's\nSELECT 1;", ["-- it's\nSELECT 1;"]),
    "a comment behind": ("SELECT 1; -- a\nSELECT 2;", ["SELECT 1;", " -- a\nSELECT 2;"]),
    "a trigger": (TRIGGER, [TRIGGER]),
    "a trigger between others": (
        f"SELECT 1;{TRIGGER}SELECT 2;",
        ["SELECT 1;", TRIGGER, "SELECT 2;"],
    ),
}


@pytest.mark.parametrize(("sql", "statements"), STATEMENTS.values(), ids=[*STATEMENTS])
def test_a_file_is_split_where_a_statement_ends(sql: str, statements: list[str]) -> None:
    assert list(split_statements(sql)) == statements


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


@pytest.mark.anyio
async def test_a_new_migration_runs_at_the_next_start(database: SqliteDatabase) -> None:
    await open_and_insert(database, "a")
    add(database, "0002_note.sql", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "b")
    assert query(database, "SELECT count(*) FROM messages") == [(2,)]
    assert query(database, "SELECT count(*) FROM notes") == [(0,)]
    assert [name for _, name in numbers(database)][1:] == ["0002_note.sql"]


@pytest.mark.anyio
async def test_a_migration_that_fails_half_way_leaves_nothing(database: SqliteDatabase) -> None:
    await open_and_insert(database, "a")
    add(database, "0002_good.sql", "CREATE TABLE good (x);")
    add(
        database,
        "0003_bad.sql",
        "CREATE TABLE half (x);\nINSERT INTO half VALUES (1);\nDELETE FROM messages;\nNONSENSE;",
    )
    before = query(database, "SELECT * FROM messages")
    with pytest.raises(
        DatabaseError, match=r'0003_bad\.sql failed and was undone: near "NONSENSE"'
    ):
        await open_and_insert(database, "b")
    assert query(database, "SELECT name FROM sqlite_schema WHERE name IN ('good', 'half')") == [
        ("good",)
    ]
    assert query(database, "SELECT * FROM messages") == before
    assert [number for number, _ in numbers(database)] == [1, 2]


@pytest.mark.anyio
async def test_a_migration_that_brings_its_own_transaction_is_refused(
    database: SqliteDatabase,
) -> None:
    add(database, "0002_a.sql", "BEGIN;\nCREATE TABLE notes (note TEXT) STRICT;\nCOMMIT;")
    with pytest.raises(DatabaseError, match=r"0002_a\.sql failed and was undone"):
        await open_and_insert(database, "a")


@pytest.mark.anyio
async def test_a_mended_migration_runs(database: SqliteDatabase) -> None:
    add(database, "0002_a.sql", "NONSENSE;")
    with pytest.raises(DatabaseError):
        await open_and_insert(database, "a")
    add(database, "0002_a.sql", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "a")
    assert [number for number, _ in numbers(database)] == [1, 2]


@pytest.mark.anyio
async def test_an_older_service_refuses_a_newer_database(database: SqliteDatabase) -> None:
    add(database, "0002_a.sql", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "a")
    (database.sql / "migrations" / "0002_a.sql").unlink()
    with pytest.raises(DatabaseError, match=r"newer version of the service, which ran 0002_a\.sql"):
        await open_and_insert(database, "b")


@pytest.mark.anyio
async def test_an_edited_migration_stops_the_start(database: SqliteDatabase) -> None:
    add(database, "0002_a.sql", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "a")
    add(database, "0002_a.sql", "CREATE TABLE notes (note TEXT, more TEXT) STRICT;")
    with pytest.raises(DatabaseError, match=r"0002_a\.sql is not what this database was given"):
        await open_and_insert(database, "b")


@pytest.mark.anyio
async def test_a_migration_keeps_triggers_whole(database: SqliteDatabase) -> None:
    add(
        database,
        "0002_a.sql",
        "CREATE TABLE log (id TEXT) STRICT; -- it's; here\n"
        "CREATE TRIGGER keep AFTER INSERT ON messages\nBEGIN\n"
        "    INSERT INTO log VALUES ('; ' || NEW.message_id);\n    SELECT 1;\nEND;\n",
    )
    await open_and_insert(database, "a")
    assert query(database, "SELECT id FROM log") == [("; a",)]


@pytest.mark.anyio
async def test_stores_that_start_at_once_migrate_once(database: SqliteDatabase) -> None:
    add_slow_ones(database)
    database.rewrite("connection.sql", "busy_timeout = 300;", "busy_timeout = 60000;")
    await asyncio.gather(*[open_and_insert(database, "a") for _ in range(8)])
    assert [number for number, _ in numbers(database)] == [1, 2, 3]


def test_processes_that_start_at_once_migrate_once(database: SqliteDatabase) -> None:
    add_slow_ones(database)
    database.rewrite("connection.sql", "busy_timeout = 300;", "busy_timeout = 60000;")
    command = [sys.executable, "-c", OPEN_A_STORE, str(database.path), str(database.sql)]
    start_at_once(command, 6)
    assert [number for number, _ in numbers(database)] == [1, 2, 3]


def start_at_once(command: Sequence[str], count: int) -> None:
    """Start so many processes that wait for each other, and see each end well and say nothing."""
    waiting, starting_gun = os.pipe()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=waiting, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            )
            for _ in range(count)
        ]
        outputs = [process.stdout for process in processes if process.stdout is not None]
        assert [output.readline() for output in outputs] == [b"ready\n"] * count
        os.close(starting_gun)
        assert [output.read() for output in outputs] == [b""] * count
    os.close(waiting)
    assert [process.returncode for process in processes] == [0] * count


def add(database: SqliteDatabase | PostgresDatabase, name: str, sql: str) -> None:
    """Put a migration into the database's own copy of the SQL."""
    (database.sql / "migrations" / name).write_text(sql, "utf-8")


def add_slow_ones(database: SqliteDatabase) -> None:
    """Two migrations that can't run twice, and take long enough for others to meet them."""
    for name in ("slow_2", "slow_3"):
        add(database, f"000{name[-1]}_{name}.sql", SLOW.replace("NAME", name))


async def open_and_insert(database: SqliteDatabase | PostgresDatabase, message_id: str) -> None:
    async with database.opened() as store:
        await store.insert([message(message_id)])


def query(database: SqliteDatabase, sql: str) -> list[Any]:
    with closing(database.connect()) as connection:
        rows: list[Any] = connection.execute(sql).fetchall()
        return rows


def numbers(database: SqliteDatabase) -> list[tuple[int, str]]:
    return query(database, "SELECT number, name FROM migrations ORDER BY number")


# On a server


@pytest.fixture
def server_database(tmp_path: Path) -> Iterator[PostgresDatabase]:
    with ExitStack() as stack:
        yield PostgresDatabase(tmp_path, stack)


@pytest.mark.anyio
async def test_a_server_s_database_gets_what_is_new(server_database: PostgresDatabase) -> None:
    await open_and_insert(server_database, "a")
    add(server_database, "0002_note.sql", "CREATE TABLE notes (note TEXT);")
    await open_and_insert(server_database, "b")
    assert fetch(server_database, "SELECT count(*) FROM messages") == [(2,)]
    assert fetch(server_database, "SELECT count(*) FROM notes") == [(0,)]
    assert numbers_of(server_database) == [1, 2]


@pytest.mark.anyio
async def test_a_server_undoes_a_migration_that_fails_half_way(
    server_database: PostgresDatabase,
) -> None:
    await open_and_insert(server_database, "a")
    add(server_database, "0002_good.sql", "CREATE TABLE good (x INTEGER);")
    add(
        server_database,
        "0003_bad.sql",
        "CREATE TABLE half (x INTEGER);\nDELETE FROM messages;\nNONSENSE;",
    )
    with pytest.raises(DatabaseError, match=r"0003_bad\.sql failed and was undone: syntax error"):
        await open_and_insert(server_database, "b")
    tables = "SELECT tablename::text FROM pg_tables WHERE tablename IN ('good', 'half')"
    assert fetch(server_database, tables) == [("good",)]
    assert fetch(server_database, "SELECT message_id FROM messages") == [("a",)]
    assert numbers_of(server_database) == [1, 2]
    add(server_database, "0003_bad.sql", "CREATE TABLE half (x INTEGER);")
    await open_and_insert(server_database, "b")
    assert numbers_of(server_database) == [1, 2, 3]


@pytest.mark.anyio
async def test_a_server_s_database_that_is_not_this_version_s_is_refused(
    server_database: PostgresDatabase,
) -> None:
    add(server_database, "0002_a.sql", "CREATE TABLE notes (note TEXT);")
    await open_and_insert(server_database, "a")
    add(server_database, "0002_a.sql", "CREATE TABLE notes (note TEXT, more TEXT);")
    with pytest.raises(DatabaseError, match=r"0002_a\.sql is not what this database was given"):
        await open_and_insert(server_database, "b")
    (server_database.sql / "migrations" / "0002_a.sql").unlink()
    with pytest.raises(DatabaseError, match=r"newer version of the service, which ran 0002_a\.sql"):
        await open_and_insert(server_database, "b")
    add(server_database, "0002_a.sql", "CREATE TABLE notes (note TEXT);")
    fetch(server_database, "DELETE FROM migrations WHERE number = 1")
    with pytest.raises(DatabaseError, match=r"0002_a\.sql without 0001_create_messages\.sql"):
        await open_and_insert(server_database, "b")


def test_sixteen_processes_that_start_at_once_migrate_a_server_s_database_once(
    server_database: PostgresDatabase,
) -> None:
    """Two of the migrations can't run twice, and are slow enough for all to meet in them."""
    for number in (2, 3):
        add(
            server_database,
            f"000{number}_slow.sql",
            f"CREATE TABLE slow_{number} (x INTEGER); SELECT pg_sleep(0.3);",
        )
    command = [sys.executable, "-c", OPEN_A_POSTGRES_STORE]
    command += [server_database.url, str(server_database.sql)]
    start_at_once(command, 16)
    assert numbers_of(server_database) == [1, 2, 3]


@pytest.mark.anyio
async def test_instances_that_make_the_list_of_migrations_at_the_same_moment_all_get_it(
    server_database: PostgresDatabase,
) -> None:
    """Who comes second is told so in one of three ways, the rarest once in 40 times."""
    url = server_database.url
    store = PostgresStore(url, server_database.sql, allows_async_commit=True)
    connections = [await asyncpg.connect(url) for _ in range(8)]
    sessions = [Session(connection, is_pooled=False) for connection in connections]
    for _ in range(60):
        await asyncio.gather(*map(store._create_migrations, sessions))
        (row,) = await connections[0].fetch("SELECT number FROM migrations")
        assert row["number"] == 0
        await connections[0].execute("DROP TABLE migrations")
    for connection in connections:
        await connection.close()


def fetch(database: PostgresDatabase, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in Databases(database.url).admin(sql)]


def numbers_of(database: PostgresDatabase) -> list[int]:
    rows = fetch(database, "SELECT number FROM migrations WHERE number > 0 ORDER BY number")
    return [number for (number,) in rows]
