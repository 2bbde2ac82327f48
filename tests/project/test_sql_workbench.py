"""`just sql` finds what is wrong with a query, and writes only what is right."""

import shutil
from pathlib import Path

import pytest

from tests.sql_workbench import __main__ as workbench
from tests.sql_workbench.__main__ import ROOT, describe_faults, main, work
from tests.sql_workbench.dialect import Query, Unavailable
from tests.sql_workbench.header import find_differences, find_faults, read_columns, read_parameters
from tests.sql_workbench.postgres import Postgres
from tests.sql_workbench.sqlite import Sqlite, draw_plan
from tests.store.databases import needs_the_wheel

PLANS = Path("tests/store/plans/sqlite.txt")
SCHEMA = Path("sql/sqlite/schema.sql")
QUERIES = Path("sql/sqlite/queries")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that the workbench reads and writes, for a test to spoil."""
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    (tmp_path / PLANS.parent).mkdir(parents=True)
    shutil.copy(ROOT / PLANS, tmp_path / PLANS)
    return tmp_path


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_the_queries_have_no_faults() -> None:
    assert list(describe_faults(Sqlite().describe(ROOT / "sql" / "sqlite"))) == []


@needs_the_wheel
def test_a_check_of_this_checkout_finds_all_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    output = capsys.readouterr().out
    assert f"{SCHEMA}: up to date" in output
    assert f"{PLANS}: up to date" in output
    assert "sql/postgres/schema.sql: up to date" in output
    assert "tests/store/plans/postgres.txt: up to date" in output


FAULTS = {
    "a parameter that is not documented": (
        "top_senders",
        ("LIMIT 10", "LIMIT :limit"),
        "the parameter :limit is in the query and not in the header",
    ),
    "a parameter that is not used": (
        "page_by_ts",
        ("-- Parameters: ", "-- Parameters: :x, "),
        "the parameter :x is in the header and not in the query",
    ),
    "a column that is not documented": (
        "read_indexed",
        ("SELECT seq, message_id", "SELECT 1 AS one, seq, message_id"),
        "the column one is in the result and not in the header",
    ),
    "a column that is not given": (
        "read_indexed",
        ("SELECT seq, message_id, digest", "SELECT seq, message_id"),
        "the column digest is in the header and not in the result",
    ),
    "columns in another order": (
        "read_indexed",
        ("SELECT seq, message_id", "SELECT message_id, seq"),
        "the result has another order of columns: message_id, seq, digest",
    ),
    "no word about rows": (
        "top_senders",
        ("-- Rows:", "-- Result:"),
        "the column from_msisdn is in the result and not in the header",
    ),
    "no word about parameters": (
        "page_by_ts",
        ("-- Parameters:", "-- Given:"),
        "the parameter :after_ts is in the query and not in the header",
    ),
    "another index than documented": (
        "top_senders",
        ("-- Index: senders_by_message_count, in its order", "-- Index: none"),
        "the index senders_by_message_count is in the plan and not in the header",
    ),
    "a scan of messages that is not explained": (
        "read_message_id",
        ("WHERE seq = :seq", "WHERE seq + 0 = :seq"),
        'the plan scans messages, and no line "-- Scan:" says why',
    ),
    "a mistake": ("top_senders", ("FROM senders", "FORM senders"), 'near "senders": syntax error'),
    "a column that is not there": (
        "read_message_id",
        ("SELECT message_id", "SELECT sender"),
        "no such column: sender",
    ),
    "an index that does not serve": (
        "read_message_id",
        ("FROM messages", "FROM messages INDEXED BY senders_by_message_count"),
        "no such index: senders_by_message_count",
    ),
    "two statements": (
        "top_senders",
        ("LIMIT 10;", "LIMIT 10; SELECT 2;"),
        "You can only execute one statement at a time",
    ),
    "no semicolon": ("top_senders", ("LIMIT 10;", "LIMIT 10"), "it does not end with a semicolon"),
    "a parameter without a name": (
        "top_senders",
        ("LIMIT 10", "LIMIT ?"),
        "Binding 1 has no name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "change", "fault"), FAULTS.values(), ids=[*FAULTS])
def test_a_fault_is_told_and_nothing_is_written(
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: tuple[str, str],
    fault: str,
) -> None:
    rewrite(checkout / QUERIES / f"{name}.sql", *change)
    (checkout / PLANS).unlink()
    assert work([Sqlite()], checkout, is_check=False) == 1
    assert f"{name}.sql: {fault}" in capsys.readouterr().out
    assert not (checkout / PLANS).exists()


def test_a_scan_that_is_explained_is_no_fault() -> None:
    query = Query(
        "every_message",
        "-- Parameters: none\n-- Rows: none\n-- Scan: all of them are wanted\nSELECT 1;",
        [],
        [],
        "SCAN messages",
    )
    assert list(find_faults(query, frozenset())) == []


def test_a_missing_file_is_told(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / QUERIES / "top_senders.sql").unlink()
    assert work([Sqlite()], checkout, is_check=False) == 1
    assert "top_senders is missing" in capsys.readouterr().out


def test_a_migration_that_fails_is_told(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next_migration(checkout).write_text("NONSENSE;", "utf-8")
    assert work([Sqlite()], checkout, is_check=False) == 1
    assert '_a.sql: near "NONSENSE": syntax error' in capsys.readouterr().out


def test_a_changed_plan_is_shown_and_written(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(checkout / QUERIES / "read_message_id.sql", "seq = :seq", "seq >= :seq")
    assert work([Sqlite()], checkout, is_check=False) == 0
    assert "+    SEARCH messages USING INTEGER PRIMARY KEY (rowid>?)" in capsys.readouterr().out
    assert work([Sqlite()], checkout, is_check=True) == 0


def test_a_check_of_a_changed_plan_fails_and_writes_nothing(checkout: Path) -> None:
    rewrite(checkout / PLANS, "SEARCH totals", "SCAN totals")
    before = (checkout / PLANS).read_bytes()
    assert work([Sqlite()], checkout, is_check=True) == 1
    assert (checkout / PLANS).read_bytes() == before


def next_migration(checkout: Path) -> Path:
    """Where the migration after the service's last one goes."""
    folder = checkout / "sql/sqlite/migrations"
    return folder / f"{len(list(folder.iterdir())) + 1:04}_a.sql"


def test_a_new_migration_shows_in_the_schema(checkout: Path) -> None:
    next_migration(checkout).write_text(
        "-- Not of the schema: what the file is for.\n\n"
        "-- What people note.\n"
        "CREATE TABLE notes (\n    note TEXT -- short\n) STRICT;\n\n"
        "CREATE INDEX notes_by_note ON notes (note);\n\n"
        "INSERT INTO notes VALUES ('it''s');\n\n"
        "ALTER TABLE probe ADD COLUMN note TEXT;\n\n"
        "-- What the migrations are.\n"
        "ALTER TABLE migrations ADD COLUMN remark TEXT;\n",
        "utf-8",
    )
    assert work([Sqlite()], checkout, is_check=True) == 1
    assert work([Sqlite()], checkout, is_check=False) == 0
    schema = (checkout / SCHEMA).read_text("utf-8")
    assert (
        "-- What people note.\n"
        "CREATE TABLE notes (\n    note TEXT -- short\n) STRICT;\n\n"
        "CREATE INDEX notes_by_note ON notes (note);\n\n"
        "INSERT INTO notes (note) VALUES ('it''s');\n"
    ) in schema
    assert "-- One row, rewritten by the readiness probe" in schema
    assert "note TEXT) STRICT;" in schema
    assert "-- What the migrations are.\nCREATE TABLE migrations (" in schema
    assert "Not of the schema" not in schema


@pytest.mark.parametrize(
    ("section", "columns"),
    [
        ("none", []),
        ("messages", ["messages"]),
        ("one: messages, senders (NULL, or not)", ["messages", "senders"]),
        ("one, or none for nobody: messages", ["messages"]),
        ("a, b; by a, then: b", ["a", "b"]),
    ],
)
def test_the_columns_of_a_header_are_read(section: str, columns: list[str]) -> None:
    assert read_columns(section) == columns


def test_the_parameters_of_a_header_are_read() -> None:
    assert read_parameters(":a, :b_c  1 <= :a < 2, and '' for any :d") == [":a", ":b_c", ":d"]


def test_a_plan_is_drawn_as_a_tree() -> None:
    rows = [(3, 0, 0, "one"), (7, 3, 0, "below one"), (9, 7, 0, "below that"), (11, 0, 0, "two")]
    assert draw_plan(rows) == "one\n    below one\n        below that\ntwo"


def test_every_dialect_has_its_folder() -> None:
    folders = {entry.name for entry in (ROOT / "sql").iterdir() if entry.is_dir()}
    assert {dialect.name for dialect in workbench.DIALECTS} == folders


DIFFERENCES: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "none": ("", ["a", "b"], ["c"], []),
    "another order of parameters": ("", ["b", "a"], ["c"], []),
    "a parameter": ("", ["a"], ["c"], ["the parameter b is in one dialect only"]),
    "a column": ("", ["a", "b"], ["c", "d"], ["the column d is in one dialect only"]),
    "an explained one": ("-- Differs:    it must", ["a"], ["c"], []),
    "an explanation of nothing": (
        "-- Differs:    it must",
        ["a", "b"],
        ["c"],
        ['a line "-- Differs:" is there, and parameters and columns do not differ'],
    ),
}


@pytest.mark.parametrize(
    ("header", "parameters", "columns", "faults"), DIFFERENCES.values(), ids=[*DIFFERENCES]
)
def test_dialects_that_differ_are_found(
    header: str, parameters: list[str], columns: list[str], faults: list[str]
) -> None:
    one = Query("x", "-- It.\n", ["a", "b"], ["c"], "")
    found = list(find_differences(one, Query("x", header, parameters, columns, "")))
    assert len(found) == len(faults)
    assert all(fault in told for fault, told in zip(faults, found, strict=True))


def test_a_dialect_that_can_not_be_had_is_left_out_and_said(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(*_: object) -> None:
        raise Unavailable("no package has PostgreSQL for this platform")

    monkeypatch.setattr(Postgres, "describe", describe)
    assert work([Postgres()], checkout, is_check=True) == 0
    assert "Left out, neither checked nor written: no package" in capsys.readouterr().out


def test_a_scan_of_messages_on_postgres_is_a_fault(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = checkout / "sql/postgres/queries/find_messages.sql"
    rewrite(file, "WHERE message_id = ANY", "WHERE message_id || '' = ANY")
    assert work([Postgres()], checkout, is_check=True) == 1
    said = 'find_messages.sql: the plan scans messages, and no line "-- Scan:" says why'
    assert said in capsys.readouterr().out
