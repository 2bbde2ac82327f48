"""The workbench's view of PostgreSQL, through the service's driver and numbering of parameters.

It uses PostgreSQL 17 with pg_trgm. Plans for empty tables say little, so it stores some thousands
of messages and events, the same ones each time. ANALYZE reads all of so few, so the statistics are
the same, too. The planner has its default settings, except for COSTS.
"""

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from service.errors import DatabaseError
from service.messages.text import fold
from service.store.migrate import load_migrations
from service.store.postgres.parameters import number_parameters
from service.store.queries import PostgresQueries, load_queries
from tests.sql_workbench.dialect import Broken, Described, Query, Unavailable
from tests.support.postgres.suite import empty_database

MAJOR_VERSION = 17

# A random page costs little more than the next one, as on a solid-state disk. With the default, the
# planner would read all of so few messages rather than a hundred by their ids.
COSTS = "SET random_page_cost = 1.1"
MESSAGES = 20_000
BATCH_MESSAGES = 100
"""Of the batches the last one is pending: neither in the counts nor in the index of texts."""

EVENTS = 10_000
SOURCES = 5
PROBLEMS = 50
"""One event of so many has a problem."""
BODY_BYTES = 500

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
SAMPLES: dict[str, Any] = {
    "message_id": "m-1",
    "from_msisdn": "+1007",
    "to_msisdn": "+2003",
    "since": NOON,
    "after_ts": NOON,
    "after_message_id": "",
    "before_ts": NOON + timedelta(minutes=5),
    "before_message_id": "",
    "after_received_at": NOON,
    "after_source": "source-1",
    "after_event_id": "",
    "before_received_at": NOON + timedelta(minutes=5),
    "before_source": "source-1",
    "before_event_id": "",
    "source": None,
    "type": "type-1",
    "skips_problems": False,
    "is_descending": False,
    "until": NOON + timedelta(minutes=5),
    "q": "number 1234",
    "few_messages": 10_000,
    "candidates_max": 10_000,
    "limit": 50,
    "offset": 0,
    "number": 0,
    "name": "",
    "digest": "",
    "version": 0,
}
"""The value of each parameter that is not an array. An array gets no element."""

FILTERS = {
    "from_msisdn": ("_by_from", "_by_pair", "_of_sender"),
    "to_msisdn": ("_by_to", "_by_pair", "_of_recipient"),
}
"""The queries that need these parameters. All others get NULL."""

ALWAYS = {
    "since": datetime(1, 1, 1, tzinfo=UTC),
    "after_ts": datetime(1, 1, 1, tzinfo=UTC),
    "before_ts": datetime(9999, 12, 31, tzinfo=UTC),
    "until": datetime(9999, 12, 31, tzinfo=UTC),
}

SCHEMA_HEADER = """\
-- The sum of the migrations and of search.sql, as PostgreSQL spells it. `just sql` writes this
-- file, and the service never reads it. To change the database, add a file to migrations/.
"""
EXTENSIONS = "SELECT oid, extname FROM pg_extension WHERE extname <> 'plpgsql'"
TABLES = """
    SELECT oid, relname, quote_literal(obj_description(oid, 'pg_class')) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""
COLUMNS = """
    SELECT
        attname || ' ' || upper(format_type(atttypid, atttypmod))
        || CASE WHEN attcollation <> typcollation THEN ' COLLATE "' || collname || '"' ELSE '' END
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
CONSTRAINTS = """
    SELECT pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = $1 AND contype IN ('p', 'u', 'c', 'f')
    ORDER BY contype DESC, conname
"""
INDEXES = """
    SELECT
        indexrelid::regclass::text,
        pg_get_indexdef(indexrelid),
        quote_literal(obj_description(indexrelid, 'pg_class'))
    FROM pg_index
    WHERE indrelid = $1
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY pg_index.indexrelid
"""


class Postgres:
    """See `dialect.Dialect`."""

    name = "postgres"

    @property
    def version(self) -> str:
        return f"PostgreSQL {MAJOR_VERSION} with pg_trgm"

    def describe(self, folder: Path) -> Described:
        try:
            with empty_database(trigrams=True) as url, ThreadPoolExecutor(1) as thread:
                return thread.submit(asyncio.run, _describe(url, folder)).result()
        except pytest.skip.Exception as error:
            raise Unavailable(str(error)) from error


async def _describe(url: str, folder: Path) -> Described:
    connection = await asyncpg.connect(url)
    try:
        found = connection.get_server_version().major
        if found != MAJOR_VERSION:
            raise Unavailable(f"the kept plans are those of PostgreSQL {MAJOR_VERSION}")
        queries = msgspec.structs.asdict(load_queries(folder / "queries", PostgresQueries))
        await migrate(connection, folder)
        schema = await write_schema(connection)
        await fill(connection, queries)
        await connection.execute(COSTS)
        answers = [await ask(connection, *item) for item in queries.items()]
        indexes = [
            name
            for table in await connection.fetch(TABLES)
            for name, *_ in await connection.fetch(INDEXES, table[0])
        ]
        return Described(schema, frozenset(indexes), answers)
    finally:
        await connection.close()


def read_definitions(folder: Path) -> dict[str, str]:
    """The files that make a database, in their order."""
    return (
        {"create_migrations.sql": (folder / "queries" / "create_migrations.sql").read_text("utf-8")}
        | {migration.name: migration.sql for migration in load_migrations(folder / "migrations")}
        | {"search.sql": (folder / "search.sql").read_text("utf-8")}
    )


async def migrate(connection: Any, folder: Path) -> None:
    """Run everything that the service runs on a new database; raises DatabaseError."""
    for name, text in read_definitions(folder).items():
        try:
            await connection.execute(text)
        except asyncpg.PostgresError as error:
            raise DatabaseError(f"{name}: {error}") from error


async def fill(connection: Any, queries: dict[str, str]) -> None:
    """Store messages, most of them of one sender, and gather statistics."""
    chance = random.Random(1)
    for begin in range(0, MESSAGES, BATCH_MESSAGES):
        if begin == MESSAGES - BATCH_MESSAGES:
            for name in ("apply_pending_counts", "apply_pending_texts"):
                await connection.fetch(number_parameters(queries[name]).sql, MESSAGES)
        numbers = range(begin, begin + BATCH_MESSAGES)
        texts = [f"Message number {number}" for number in numbers]
        await connection.fetch(
            number_parameters(queries["insert_messages"]).sql,
            [f"{chance.getrandbits(64):016x}" for _ in numbers],
            [f"+1{min(int(chance.paretovariate(0.5)), 999):03}" for _ in numbers],
            [f"+2{chance.randrange(10):03}" for _ in numbers],
            [NOON + timedelta(seconds=chance.randrange(10_000)) for _ in numbers],
            texts,
            [fold(text) for text in texts],
        )
    await connection.fetch(
        number_parameters(queries["insert_events"]).sql,
        [f"source-{number % SOURCES}" for number in range(EVENTS)],
        [f"{chance.getrandbits(64):016x}" for _ in range(EVENTS)],
        [f"type-{number % 7}" for number in range(EVENTS)],
        [NOON + timedelta(seconds=number) for number in range(EVENTS)],
        ["{}"] * EVENTS,
        [None] * EVENTS,
        [None if number % PROBLEMS else "a problem" for number in range(EVENTS)],
        [b"x" * BODY_BYTES] * EVENTS,
    )
    await connection.fetch(
        number_parameters(queries["link_messages"]).sql,
        [f"m-{number}" for number in range(EVENTS)],
        [f"source-{number % SOURCES}" for number in range(EVENTS)],
        [f"{chance.getrandbits(64):016x}" for _ in range(EVENTS)],
    )
    await connection.execute("VACUUM ANALYZE")


async def ask(connection: Any, name: str, text: str) -> Query | Broken:
    """Prepare, explain and run one query."""
    if not text.rstrip().endswith(";"):
        return Broken(name, "it does not end with a semicolon: a shell would wait for more")
    sql, parameters = number_parameters(text)
    transaction = connection.transaction()
    await transaction.start()
    try:
        statement = await connection.prepare(sql)
        types = [parameter.name for parameter in statement.get_parameters()]
        columns = [attribute.name for attribute in statement.get_attributes()]
        values = [
            [] if kind.endswith("[]") else sample(name, parameter)
            for parameter, kind in zip(parameters, types, strict=True)
        ]
        await connection.fetch(sql, *values)
        plan = await explain(connection, sql, values)
    except asyncpg.PostgresError as error:
        return Broken(name, str(error))
    finally:
        await transaction.rollback()
    return Query(name, text, list(parameters), columns, plan)


def sample(query: str, parameter: str) -> Any:
    """The value of a parameter. A query gets no filter that it does not need."""
    query = query.removesuffix("_desc")
    if parameter in FILTERS and not query.endswith(FILTERS[parameter]):
        return None
    if parameter == "q" and query.endswith("_by_pair"):
        return ""
    is_narrow = query in ("count_by_from", "count_by_to", "count_by_pair", "count_by_ts")
    return SAMPLES[parameter] if is_narrow else ALWAYS.get(parameter, SAMPLES[parameter])


async def explain(connection: Any, sql: str, values: list[Any]) -> str:
    """The plan for these values; empty for a statement without one, as CREATE TABLE."""
    try:
        async with connection.transaction():
            rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {sql}", *values)
    except asyncpg.PostgresSyntaxError:
        return ""
    return "\n".join(row[0] for row in rows)


async def write_schema(connection: Any) -> str:
    """Every table with its indexes and rows, and every extension, in the order they were made."""
    parts = {
        oid: [f"CREATE EXTENSION {name};\n"] for oid, name in await connection.fetch(EXTENSIONS)
    }
    for oid, table, comment in await connection.fetch(TABLES):
        columns = await connection.fetch(COLUMNS, oid)
        constraints = await connection.fetch(CONSTRAINTS, oid)
        body = ",\n".join(f"    {row[0]}" for row in [*columns, *constraints])
        parts[oid] = [f"CREATE TABLE {table} (\n{body}\n);\n"]
        parts[oid] += write_comment("TABLE", table, comment)
        for name, definition, remark in await connection.fetch(INDEXES, oid):
            parts[oid] += [f"{definition.replace(' ON public.', ' ON ')};\n"]
            parts[oid] += write_comment("INDEX", name, remark)
        parts[oid] += write_rows(table, await connection.fetch(f"SELECT * FROM {table}"))  # noqa: S608
    return "\n".join([SCHEMA_HEADER, *[text for oid in sorted(parts) for text in parts[oid]]])


def write_comment(kind: str, name: str, comment: str | None) -> Iterator[str]:
    """The statement that gives a table or an index its comment."""
    if comment is not None:
        yield f"COMMENT ON {kind} {name} IS\n{comment};\n"


def write_rows(table: str, rows: list[Any]) -> Iterator[str]:
    """The rows of a table as INSERT statements, without their NULLs."""
    for row in rows:
        values = {name: value for name, value in row.items() if value is not None}
        written = ", ".join(repr(value) for value in values.values())
        yield f"INSERT INTO {table} ({', '.join(values)}) VALUES ({written});\n"  # noqa: S608
