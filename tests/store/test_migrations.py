"""Migrations: append only, each undone completely when it fails, each run once."""

import asyncio
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.errors import DatabaseError
from service.store.migrate import Migration, choose_pending, load_migrations
from service.store.queries import sql_folder
from service.store.sqlite.connection import split_statements
from tests.store.databases import SqliteDatabase
from tests.store.messages import message
from tests.store.processes import OPEN_A_SQLITE_STORE, start_at_once

ONE, TWO, THREE = (
    Migration(number, f"{number:04}_{name}.sql", f"digest of {name}", "SELECT 1;")
    for number, name in ((1, "one"), (2, "two"), (3, "three"))
)
OWN = len(load_migrations(sql_folder("sqlite") / "migrations"))
"""The number of the service's last migration."""

SLOW = """
CREATE TABLE NAME AS
WITH RECURSIVE numbers (number) AS (
    SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 100000
)
SELECT number FROM numbers;
"""


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
    name = add(database, 1, "note", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "b")
    assert query(database, "SELECT count(*) FROM messages") == [(2,)]
    assert query(database, "SELECT count(*) FROM notes") == [(0,)]
    assert added(database) == [name]


@pytest.mark.anyio
async def test_a_migration_that_fails_half_way_leaves_nothing(database: SqliteDatabase) -> None:
    await open_and_insert(database, "a")
    good = add(database, 1, "good", "CREATE TABLE good (x);")
    bad = add(
        database,
        2,
        "bad",
        "CREATE TABLE half (x);\nINSERT INTO half VALUES (1);\nDELETE FROM messages;\nNONSENSE;",
    )
    before = query(database, "SELECT * FROM messages")
    with pytest.raises(DatabaseError, match=f'{bad} failed and was undone: near "NONSENSE"'):
        await open_and_insert(database, "b")
    assert query(database, "SELECT name FROM sqlite_schema WHERE name IN ('good', 'half')") == [
        ("good",)
    ]
    assert query(database, "SELECT * FROM messages") == before
    assert added(database) == [good]


@pytest.mark.anyio
async def test_a_migration_that_brings_its_own_transaction_is_refused(
    database: SqliteDatabase,
) -> None:
    name = add(database, 1, "a", "BEGIN;\nCREATE TABLE notes (note TEXT) STRICT;\nCOMMIT;")
    with pytest.raises(DatabaseError, match=f"{name} failed and was undone"):
        await open_and_insert(database, "a")


@pytest.mark.anyio
async def test_a_mended_migration_runs(database: SqliteDatabase) -> None:
    add(database, 1, "a", "NONSENSE;")
    with pytest.raises(DatabaseError):
        await open_and_insert(database, "a")
    name = add(database, 1, "a", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "a")
    assert added(database) == [name]


@pytest.mark.anyio
async def test_an_older_service_refuses_a_newer_database(database: SqliteDatabase) -> None:
    name = add(database, 1, "a", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "a")
    (database.sql / "migrations" / name).unlink()
    with pytest.raises(DatabaseError, match=f"newer version of the service, which ran {name}"):
        await open_and_insert(database, "b")


@pytest.mark.anyio
async def test_an_edited_migration_stops_the_start(database: SqliteDatabase) -> None:
    name = add(database, 1, "a", "CREATE TABLE notes (note TEXT) STRICT;")
    await open_and_insert(database, "a")
    add(database, 1, "a", "CREATE TABLE notes (note TEXT, more TEXT) STRICT;")
    with pytest.raises(DatabaseError, match=f"{name} is not what this database was given"):
        await open_and_insert(database, "b")


@pytest.mark.anyio
async def test_a_migration_keeps_triggers_whole(database: SqliteDatabase) -> None:
    add(
        database,
        1,
        "a",
        "CREATE TABLE log (id TEXT) STRICT; -- it's; here\n"
        "CREATE TRIGGER keep AFTER INSERT ON messages\nBEGIN\n"
        "    INSERT INTO log VALUES ('; ' || NEW.message_id);\n    SELECT 1;\nEND;\n",
    )
    await open_and_insert(database, "a")
    assert query(database, "SELECT id FROM log") == [("; a",)]


@pytest.mark.anyio
async def test_stores_that_start_at_once_migrate_once(database: SqliteDatabase) -> None:
    names = add_slow_ones(database)
    database.rewrite("connection.sql", "busy_timeout = 300;", "busy_timeout = 60000;")
    await asyncio.gather(*[open_and_insert(database, "a") for _ in range(8)])
    assert added(database) == names


def test_processes_that_start_at_once_migrate_once(database: SqliteDatabase) -> None:
    names = add_slow_ones(database)
    database.rewrite("connection.sql", "busy_timeout = 300;", "busy_timeout = 60000;")
    command = [sys.executable, "-c", OPEN_A_SQLITE_STORE, str(database.path), str(database.sql)]
    start_at_once(command, 6)
    assert added(database) == names


def add(database: SqliteDatabase, place: int, name: str, sql: str) -> str:
    """Write a migration, at a place after the service's own; gives its file's name."""
    file = f"{OWN + place:04}_{name}.sql"
    (database.sql / "migrations" / file).write_text(sql, "utf-8")
    return file


def add_slow_ones(database: SqliteDatabase) -> list[str]:
    """Two migrations that can't run twice, and take long enough for others to meet them."""
    return [
        add(database, place, name, SLOW.replace("NAME", name))
        for place, name in ((1, "slow_1"), (2, "slow_2"))
    ]


async def open_and_insert(database: SqliteDatabase, message_id: str) -> None:
    async with database.opened() as store:
        await store.insert([message(message_id)])


def query(database: SqliteDatabase, sql: str) -> list[Any]:
    with closing(database.connect()) as connection:
        rows: list[Any] = connection.execute(sql).fetchall()
        return rows


def added(database: SqliteDatabase) -> list[str]:
    """The migrations that have run after the service's own."""
    found = query(database, f"SELECT name FROM migrations WHERE number > {OWN} ORDER BY number")  # noqa: S608
    return [name for (name,) in found]
