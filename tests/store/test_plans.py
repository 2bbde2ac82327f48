"""The kept plan of every query, on an empty database and on a full one with statistics.

On PostgreSQL, which plans by what there is, the kept plans are those of a full one.
"""

import random
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.messages.event import Event
from service.store.queries import SqliteQueries, load_queries, sql_folder
from service.store.sqlite.writes import Writes
from tests.sql_workbench.__main__ import ROOT, snapshots
from tests.sql_workbench.dialect import Described, Query, Unavailable
from tests.sql_workbench.postgres import Postgres
from tests.sql_workbench.sqlite import Sqlite, ask, connect, migrate
from tests.store.databases import needs_the_wheel
from tests.store.events import event
from tests.store.messages import NOON, message

SQL = sql_folder("sqlite")
MESSAGES = 5_000


@pytest.fixture(scope="module")
def described() -> Described:
    return Sqlite().describe(SQL)


@pytest.fixture(scope="module", params=["ANALYZE", "PRAGMA optimize"])
def full_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Thousands of messages and events, most from one sender, and the planner's statistics."""
    with closing(connect(tmp_path_factory.mktemp("full"))) as database:
        migrate(database, SQL)
        Writes(queries()).insert(database, random_messages(), random_events())
        database.execute(queries().fill_batch, {"after_seq": 0, "limit": MESSAGES})
        for name in SqliteQueries.__struct_fields__:
            if name.startswith("index_"):
                database.execute(getattr(queries(), name))
        database.execute(queries().empty_batch)
        database.execute("PRAGMA optimize = 0x10002" if "optimize" in request.param else "ANALYZE")
        assert database.execute("SELECT count(*) > 3 FROM index_file.sqlite_stat1").fetchone() == (
            1,
        )
        yield database


def queries() -> SqliteQueries:
    return load_queries(SQL / "queries", SqliteQueries)


def random_messages() -> list[Any]:
    chance = random.Random(1)
    return [
        message(
            f"{chance.getrandbits(64):016x}",
            from_msisdn=f"+1{min(int(chance.paretovariate(0.5)), 999):03}",
            to_msisdn=f"+2{chance.randrange(10):03}",
            ts=NOON + chance.randrange(10**10),
        )
        for _ in range(MESSAGES)
    ]


def random_events() -> list[Event]:
    chance = random.Random(1)
    return [
        event(
            f"{chance.getrandbits(64):016x}",
            source=f"s{min(int(chance.paretovariate(1)), 20)}",
            type=f"t{min(int(chance.paretovariate(1)), 20)}",
            received_at=NOON + number,
            problem=None if number % 50 else "a problem",
            message_ids=(f"m{number}",),
        )
        for number in range(MESSAGES)
    ]


@pytest.fixture(scope="module")
def described_postgres() -> Described:
    try:
        return Postgres().describe(sql_folder("postgres"))
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgres"])
def snapshot(request: pytest.FixtureRequest) -> dict[Path, str]:
    """The files that `just sql` would write for a dialect."""
    fixture = {"sqlite": "described", "postgres": "described_postgres"}[request.param]
    return snapshots(request.param, request.getfixturevalue(fixture))


@needs_the_wheel
def test_the_snapshots_are_what_just_sql_would_write(snapshot: dict[Path, str]) -> None:
    for file, text in snapshot.items():
        assert (ROOT / file).read_text("utf-8") == text, f"{file} is out of date: run `just sql`"


@needs_the_wheel
@pytest.mark.parametrize("name", SqliteQueries.__struct_fields__)
def test_a_plan_stays_as_it_is_on_a_full_database(
    described: Described, full_database: Any, name: str
) -> None:
    expected = next(query for query in described.queries if query.name == name)
    found = ask(full_database, name, getattr(queries(), name))
    assert isinstance(found, Query)
    assert found.plan == expected.plan


@pytest.mark.parametrize("side", ["from", "to", "ts"])
def test_a_page_comes_out_of_its_index_in_order(described_postgres: Described, side: str) -> None:
    plan = plan_of(described_postgres, f"page_by_{side}")
    assert f"Index Scan using messages_by_{side} on messages" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("name", ["page_by_pair", "count_by_pair"])
def test_what_is_between_two_numbers_is_found_in_an_index_alone(
    described_postgres: Described, name: str
) -> None:
    plan = plan_of(described_postgres, name)
    assert "Index Only Scan using messages_by_from on messages" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("order", ["", "_desc"])
@pytest.mark.parametrize("path", ["source", "type", "problem"])
def test_a_page_of_events_comes_out_of_an_index_of_each_source_in_order(
    described_postgres: Described, path: str, order: str
) -> None:
    """Sorted is what the pages of all sources have, and no body is read before."""
    plan = plan_of(described_postgres, f"events_by_{path}{order}")
    assert re.search(rf"Limit\n +->  Index Only Scan (Backward )?using events_by_{path} ", plan)
    assert "Seq Scan on events" not in plan
    assert plan.count("Sort Key") == 1


@pytest.mark.parametrize("name", ["page_by_text", "count_by_text"])
def test_a_text_is_found_by_its_parts(described_postgres: Described, name: str) -> None:
    plan = plan_of(described_postgres, name)
    assert "Bitmap Index Scan on texts_by_trigram" in plan
    assert "Seq Scan on texts" not in plan
    assert "Seq Scan on messages" not in plan


def plan_of(described: Described, name: str) -> str:
    return next(query.plan for query in described.queries if query.name == name)


def test_the_schema_file_of_postgres_builds_the_same_database(
    described_postgres: Described, tmp_path: Path
) -> None:
    """It replaces the migrations, and the database is described again."""
    folder = tmp_path / "postgres"
    shutil.copytree(sql_folder("postgres"), folder)
    for migration in (folder / "migrations").iterdir():
        migration.unlink()
    shutil.copy(folder / "schema.sql", folder / "migrations" / "0001_schema.sql")
    (folder / "search.sql").write_text("SELECT 1;", "utf-8")
    rewritten = folder / "queries" / "create_migrations.sql"
    rewritten.write_text("SELECT 1;", "utf-8")
    assert Postgres().describe(folder).schema == described_postgres.schema


def test_the_schema_file_builds_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with (
        closing(connect(tmp_path / "one")) as migrated,
        closing(connect(tmp_path / "other")) as read,
    ):
        migrate(migrated, SQL)
        read.executescript((SQL / "schema.sql").read_text("utf-8"))
        assert contents(read) == contents(migrated)


def contents(database: Any) -> dict[str, Any]:
    """The schema, and the rows of every table."""
    schema = database.execute("SELECT name, tbl_name, type, sql FROM sqlite_schema").fetchall()
    tables = [name for name, _, kind, _ in schema if kind == "table"]
    return {"": sorted(schema, key=str)} | {
        name: database.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
        for name in tables
    }
