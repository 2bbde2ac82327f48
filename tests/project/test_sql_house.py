"""All SQL is in files, and sql/README.md is right about them."""

import ast
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.store.postgres.parameters import number_parameters
from service.store.postgres.writes import COLUMNS, list_columns
from service.store.queries import PostgresQueries, SqliteQueries
from tests.support.postgres.install import find_install
from tests.support.postgres.install import run as run_program
from tests.support.postgres.suite import empty_database
from tests.support.processes import serving
from tests.support.service import ROOT, message, samples, wait_until

SQL = ROOT / "sql" / "sqlite"
README = (ROOT / "sql" / "README.md").read_text("utf-8")

_clause = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE FROM|REPLACE|CREATE|DROP|ALTER|PRAGMA|FROM|WHERE|VALUES|LIMIT"
    r"|(ORDER|GROUP) BY|RETURNING|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|VACUUM|ANALYZE|ATTACH|EXPLAIN)\b"
)


def sql_strings(source: str) -> list[str]:
    """The strings of a Python file that are SQL, begin as SQL, or contain a clause of it."""
    tree = ast.parse(source)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
    ]
    return [string for string in strings if _clause.search(string) or is_statement(string)]


def is_statement(text: str) -> bool:
    """Whether SQLite parses it as a statement, or as the beginning of one."""
    if " " not in text.strip() or re.search(r"(^| )--\w", text):  # a word, a command-line option
        return False
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute(f"EXPLAIN {text}")
        except sqlite3.Error as error:
            return not re.search("syntax error|unrecognized token|parser stack", str(error))
        except ValueError:  # it holds what no statement can
            return False
    return True


@pytest.mark.parametrize(
    "file", sorted((ROOT / "service").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT))
)
def test_python_holds_no_sql(file: Path) -> None:
    assert list(sql_strings(file.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT message_id FROM messages",
        "select 1",
        "  SELECT\n    count(*)\nFROM messages",
        "SELECT count(*);",
        "INSERT INTO messages VALUES (1)",
        "insert or ignore into messages ",
        "UPDATE totals SET messages = 0",
        "DELETE FROM messages",
        "CREATE TABLE IF NOT EXISTS a (b)",
        "CREATE UNIQUE INDEX a ON b (c)",
        "DROP TRIGGER a",
        "ALTER TABLE a ADD b",
        "PRAGMA journal_mode=WAL",
        "select message_id from ",
        "delete from messages where ts < ",
        " ORDER BY ts",
        " WHERE ts >= 1",
        " WHERE message_id IN (",
        " RETURNING message_id",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT;",
        "ROLLBACK",
        "VACUUM",
        "ANALYZE",
    ],
)
@pytest.mark.parametrize("source", ["x = {}", "x = f({}, 1)", "x = f'{{a}}' {}", "f(x={})"])
def test_sql_in_python_would_be_found(source: str, sql: str) -> None:
    assert list(sql_strings(source.format(repr(sql))))


@pytest.mark.parametrize(
    "text",
    [
        "DELETE",
        "select one of them",
        "the database can't be written",
        "commit_failed",
        "end",
        "insert",
        "a row of where and when",
        "update the settings",
        "begin with a letter",
        "SELECTED and FROMAGE",
        "POST from +12 where it is",
    ],
)
def test_a_sentence_is_not_taken_for_sql(text: str) -> None:
    assert list(sql_strings(f"x = {text!r}")) == []


@pytest.mark.parametrize("file", sorted(SQL.parent.rglob("*.sql")), ids=str)
def test_a_cast_is_written_as_every_database_reads_it(file: Path) -> None:
    assert "::" not in file.read_text("utf-8")


def test_the_readme_names_what_is_there() -> None:
    names = set(re.findall(r"`((?:service|tests|sqlite|postgres)/[a-z_/.]+)`", README))
    assert len(names) > 5
    found = [name for name in names if (ROOT / name).exists() or (ROOT / "sql" / name).exists()]
    assert names == set(found)


@pytest.fixture
def shell() -> str:
    """The `sqlite3` shell; skips the test if there is none that is new enough."""
    command = shutil.which("sqlite3")
    if command is None:
        pytest.skip("there is no sqlite3 shell")
    version = subprocess.run([command, "-version"], capture_output=True, text=True, check=True)
    if tuple(map(int, version.stdout.split()[0].split("."))) < (3, 38):
        pytest.skip("the sqlite3 shell is older than 3.38")
    return command


def test_what_the_readme_types_into_the_shell_works(shell: str, tmp_path: Path) -> None:
    typed = "".join(re.findall(r"```sql\n(.*?)```", _section("Look at a database"), re.DOTALL))
    numbers = re.findall(r"\+\d+", typed)
    with serving(tmp_path) as process:
        process.deliver(message(message_id="of-the-index", **{"from": numbers[0]}))
        wait_until(lambda: samples(process.get("/metrics").text)["index_lag_messages"] == 0)
        done = subprocess.run(
            [shell, "-bail", "-readonly", process.database],
            input=typed.replace("data/app.db", str(process.database)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "SEARCH messages_by_from USING PRIMARY KEY (from_msisdn=?" in done.stdout
    assert done.stdout.count("of-the-index") == 1


@pytest.mark.parametrize("name", SqliteQueries.__struct_fields__)
def test_a_query_can_be_pasted_into_the_shell(shell: str, name: str) -> None:
    text = (SQL / "queries" / f"{name}.sql").read_text("utf-8")
    values = dict.fromkeys(re.findall(r":\w+", text), "0")
    lists = (":batch", ":counts", ":links", ":message_ids", ":names")
    values |= dict.fromkeys(lists, "'[]'") | {":uri": "':memory:'"}
    lines = [f'.parameter set {parameter} "{value}"' for parameter, value in values.items()]
    files = ("schema.sql", "index.sql", "reader.sql", "queries/create_batch.sql")
    schema = "".join((SQL / file).read_text("utf-8") for file in files)
    done = subprocess.run(
        [shell, "-bail", ":memory:"],
        input="\n".join([schema, *lines, text]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def psql() -> Iterator[Callable[[str], str]]:
    """Runs text in `psql` on a migrated database, and returns the output."""
    install = find_install(trigrams=True)
    if install is None:
        pytest.skip("there is no psql")
    with empty_database(trigrams=True) as url:

        def run(typed: str) -> str:
            options = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url)
            return run_program([install.program("psql"), *options], typed)

        run((SQL.parent / "postgres" / "schema.sql").read_text("utf-8"))
        yield run


@pytest.mark.parametrize("name", PostgresQueries.__struct_fields__)
def test_a_query_can_be_pasted_into_psql(psql: Callable[[str], str], name: str) -> None:
    text = (SQL.parent / "postgres" / "queries" / f"{name}.sql").read_text("utf-8")
    names = number_parameters(text).names
    lines = [f"\\set {each} {PSQL_VALUES.get(each, NOTHING)}" for each in names]
    psql("\n".join(["BEGIN;", *lines, text, "ROLLBACK;"]))


NOTHING = r"'\'\''"
PSQL_VALUES = (
    dict.fromkeys(("limit", "offset", "few_messages", "candidates_max", "is_descending"), "0")
    | dict.fromkeys(("number", "version"), "0")
    | dict.fromkeys(("since", "until", "after_ts", "before_ts"), r"'\'infinity\''")
    | dict.fromkeys(("after_received_at", "before_received_at"), r"'\'infinity\''")
    | {"skips_problems": "false"}
    | dict.fromkeys(COLUMNS, r"'\'{}\''")
    | dict.fromkeys((*list_columns([]), "places"), r"'\'{}\''")
)


def test_what_the_readme_types_into_psql_works(psql: Callable[[str], str]) -> None:
    section = _section("Look at a database with psql")
    typed = "".join(re.findall(r"```sql\n(.*?)```", section, re.DOTALL))
    file = re.search(r"\\i sql/(\S+)\n", typed)
    assert file is not None
    text = (SQL.parent / file[1]).read_text("utf-8")
    assert "(0 rows)" in psql(typed.replace(file[0], text))


def _section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]
