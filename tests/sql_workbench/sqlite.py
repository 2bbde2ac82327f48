"""The workbench's view of SQLite, through the driver that the service uses."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from service.errors import DatabaseError
from service.store.migrate import load_migrations
from service.store.queries import SqliteQueries, load_queries
from service.store.sqlite.connection import describe_driver, driver, split_statements
from tests.sql_workbench.dialect import Broken, Described, Query

_commented = re.compile(
    r"(?P<comment>(?:^--[^\n]*\n)*)^(?:CREATE|ALTER) (?P<name>\w+ (?:IF NOT EXISTS )?\w+)",
    re.MULTILINE,
)

SAMPLES = {
    "batch": "[]",
    "bodies": b"",
    "counts": "[]",
    "links": "[]",
    "message_ids": "[]",
    "names": "[]",
    "uri": "file::memory:",
}
"""The parameters that can't be 0."""

SCHEMA_HEADER = """\
-- What the migrations add up to. `just sql` writes this file, and the service never reads it: to
-- change the database, add a file to migrations/.
"""


class Sqlite:
    """See `dialect.Dialect`."""

    name = "sqlite"

    @property
    def version(self) -> str:
        return describe_driver()

    def describe(self, folder: Path) -> Described:
        queries = msgspec.structs.asdict(load_queries(folder / "queries", SqliteQueries))
        with tempfile.TemporaryDirectory() as scratch, closing(connect(Path(scratch))) as database:
            migrate(database, folder)
            schema = write_schema(database, read_comments(folder))
            indexes = set(list_indexes(database))
            return Described(
                schema, frozenset(indexes), [ask(database, *item) for item in queries.items()]
            )


def connect(folder: Path) -> Any:
    """A connection to a new database, opened as the service opens one."""
    return driver.connect(folder / "workbench.db", isolation_level=None)


def migrate(database: Any, folder: Path) -> None:
    """Run every statement that the service runs on a new database; raises DatabaseError."""
    for name, text in read_definitions(folder).items():
        try:
            for statement in split_statements(text):
                database.execute(statement).fetchall()
        except (driver.Error, driver.Warning) as error:
            raise DatabaseError(f"{name}: {error}") from error
    attach_index(database, folder)
    queries = load_queries(folder / "queries", SqliteQueries)
    for text in ((folder / "reader.sql").read_text("utf-8"), queries.create_batch):
        for statement in split_statements(text):
            database.execute(statement)


def attach_index(database: Any, folder: Path) -> None:
    """Make an index file beside the database, and attach it."""
    path = f"{database.execute('PRAGMA database_list').fetchone()[2]}-index"
    with closing(driver.connect(path, isolation_level=None)) as index:
        for file in ("index_connection.sql", "index.sql"):
            for statement in split_statements((folder / file).read_text("utf-8")):
                index.execute(statement).fetchall()
    database.execute("ATTACH DATABASE ? AS index_file", [path])


def read_definitions(folder: Path) -> dict[str, str]:
    """The SQL that creates the tables, by file, in order."""
    return {
        "connection.sql": (folder / "connection.sql").read_text("utf-8"),
        "create_migrations.sql": load_queries(folder / "queries", SqliteQueries).create_migrations,
    } | {migration.name: migration.sql for migration in load_migrations(folder / "migrations")}


def ask(database: Any, name: str, text: str) -> Query | Broken:
    """Prepare, explain and run one query."""
    parameters = Recorder()
    try:
        if not driver.complete_statement(text):
            return Broken(name, "it does not end with a semicolon: a shell would wait for more")
        plan = database.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()
        cursor = database.execute(text, parameters)
        columns = [column[0] for column in cursor.description or ()]
        cursor.fetchall()
    except (driver.Error, driver.Warning) as error:
        return Broken(name, str(error))
    finally:
        database.rollback()
    return Query(name, text, list(parameters), columns, draw_plan(plan))


class Recorder(dict[str, Any]):
    """Gives every parameter a neutral value, and records the names of the parameters."""

    def __missing__(self, name: str) -> Any:
        self[name] = SAMPLES.get(name, 0)
        return self[name]


def draw_plan(rows: list[tuple[int, int, int, str]]) -> str:
    """The rows of EXPLAIN QUERY PLAN, each indented below its parent."""
    depths = {0: 0}
    lines = []
    for number, parent, _, detail in rows:
        depths[number] = depths[parent] + 1
        lines.append("    " * depths[parent] + detail)
    return "\n".join(lines)


def write_schema(database: Any, comments: dict[str, str]) -> str:
    """Every definition of the migrations, by table, and the rows that they insert."""
    definitions = list_schema(database)
    groups = [SCHEMA_HEADER]
    for table in [name for kind, name, _, _ in definitions if kind == "table"]:
        for wanted in ("table", "index", "trigger"):
            groups += [
                f"{comments.get(f'{kind} {name}', '')}{sql};\n"
                for kind, name, of_table, sql in definitions
                if (kind, of_table) == (wanted, table)
            ]
        groups += write_rows(database, table)
    return "\n".join(groups)


def list_schema(database: Any) -> list[tuple[str, str, str, str]]:
    """(kind, name, table, sql) of what has been created, in that order, without SQLite's own."""
    definitions: list[tuple[str, str, str, str]] = database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
        " AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')"
        " ORDER BY rowid"
    ).fetchall()
    return definitions


def list_indexes(database: Any) -> list[str]:
    """The names of the indexes that have been created, in both files."""
    return [
        name
        for (name,) in database.execute(
            "SELECT name FROM (SELECT * FROM sqlite_schema"
            " UNION ALL SELECT * FROM index_file.sqlite_schema)"
            " WHERE type = 'index' AND sql IS NOT NULL"
        )
    ]


def write_rows(database: Any, table: str) -> Iterator[str]:
    """The rows of a table as INSERT statements."""
    cursor = database.execute(f"SELECT * FROM {table}")  # noqa: S608
    columns = ", ".join(column[0] for column in cursor.description)
    for row in cursor.fetchall():
        marks = ", ".join("quote(?)" for _ in row)
        values = ", ".join(database.execute(f"SELECT {marks}", row).fetchone())
        yield f"INSERT INTO {table} ({columns}) VALUES ({values});\n"  # noqa: S608


def read_comments(folder: Path) -> dict[str, str]:
    """By kind and name: the comment directly above a definition, or above its last change."""
    comments = {}
    for text in read_definitions(folder).values():
        for statement in split_statements(text):
            if (found := _commented.search(statement)) and found["comment"]:
                kind, *_, name = found["name"].split()
                comments[f"{kind.lower()} {name}"] = found["comment"].partition("--\n")[0]
    return comments
