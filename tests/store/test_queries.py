"""The queries of a folder are just those of `Queries`."""

import shutil
from pathlib import Path

import pytest

from service.errors import DatabaseError
from service.store.queries import PostgresQueries, Queries, SqliteQueries, load_queries, sql_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the queries, for a test to spoil."""
    return shutil.copytree(sql_folder("sqlite") / "queries", tmp_path / "queries")


@pytest.mark.parametrize(
    ("dialect", "kind"), [("sqlite", SqliteQueries), ("postgres", PostgresQueries)]
)
def test_every_file_is_a_field_of_its_name(dialect: str, kind: type[Queries]) -> None:
    folder = sql_folder(dialect) / "queries"
    queries = load_queries(folder, kind)
    for name in kind.__struct_fields__:
        assert getattr(queries, name) == (folder / f"{name}.sql").read_text("utf-8")


def test_what_the_other_dialect_has_alone_is_named(folder: Path) -> None:
    with pytest.raises(DatabaseError, match=r"read_server is missing.* attach is not used"):
        load_queries(folder, PostgresQueries)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "top_senders.sql").unlink()
    with pytest.raises(DatabaseError, match=r"top_senders is missing \(see .*queries\.py\)"):
        load_queries(folder, SqliteQueries)


def test_a_file_that_nothing_uses_is_named(folder: Path) -> None:
    (folder / "bottom_senders.sql").write_text("SELECT 1;", "utf-8")
    with pytest.raises(DatabaseError, match="bottom_senders is not used"):
        load_queries(folder, SqliteQueries)


@pytest.mark.parametrize("name", ["Top_Senders.sql", "top-senders.sql", "top_senders.SQL"])
def test_a_misnamed_file_is_not_taken_for_the_right_one(folder: Path, name: str) -> None:
    (folder / "top_senders.sql").rename(folder / name)
    with pytest.raises(DatabaseError, match="top_senders is missing"):
        load_queries(folder, SqliteQueries)


def test_no_folder_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="begin_read is missing"):
        load_queries(tmp_path / "nowhere", SqliteQueries)
