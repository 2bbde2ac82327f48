"""Reads the comment at the top of a query file, and compares it with the query.

    -- What it does, in a sentence.
    -- Parameters: :name, :other (what they are)
    -- Rows: one: column, column (remark); in which order
    -- Index: the index it leans on
    -- Scan: why it reads all of `messages`, if it does
    -- Differs: why it has other parameters or columns than the other dialect's query

A query without parameters or rows has no such line, or says `none`.
"""

import re
from collections.abc import Iterator

from tests.sql_workbench.dialect import Query

_section = re.compile(r"-- (Parameters|Rows|Index|Scan|Differs):\s*(.*)")


def find_faults(query: Query, indexes: frozenset[str]) -> Iterator[str]:
    """Each difference between the header of `query` and the database, a sentence each."""
    sections = {"Parameters": "none", "Rows": "none"} | read_sections(query.text)
    yield from _compare(
        "parameter",
        read_parameters(sections["Parameters"]),
        [f":{name}" for name in query.parameters],
        "the query",
    )
    columns = read_columns(sections["Rows"])
    yield from _compare("column", columns, query.columns, "the result")
    if columns != query.columns and sorted(columns) == sorted(query.columns):
        yield f"the result has another order of columns: {', '.join(query.columns)}"
    named, used = (
        sorted(indexes & _words(text)) for text in (sections.get("Index", ""), query.plan)
    )
    yield from _compare("index", named, used, "the plan")
    if re.search(r"\b(SCAN|Seq Scan on) messages\b", query.plan) and "Scan" not in sections:
        yield 'the plan scans messages, and no line "-- Scan:" says why'


def find_differences(one: Query, other: Query) -> Iterator[str]:
    """Each difference between two dialects' queries of one name that no header explains."""
    same = (sorted(one.parameters), one.columns) == (sorted(other.parameters), other.columns)
    is_explained = any("Differs" in read_sections(query.text) for query in (one, other))
    if is_explained and same:
        yield 'a line "-- Differs:" is there, and parameters and columns do not differ'
    if not is_explained:
        yield from _compare_dialects("parameter", one.parameters, other.parameters)
        yield from _compare_dialects("column", one.columns, other.columns)
        if not same and sorted(one.columns) == sorted(other.columns) != one.columns:
            yield "the columns have another order in the other dialect"


def _compare_dialects(kind: str, one: list[str], other: list[str]) -> Iterator[str]:
    for name in sorted({*one} ^ {*other}):
        yield f'the {kind} {name} is in one dialect only, and no line "-- Differs:" says why'


def read_sections(text: str) -> dict[str, str]:
    """The sections of the header by name; their lines joined by spaces."""
    sections: dict[str, str] = {}
    name = None
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if match := _section.fullmatch(line):
            name = match[1]
            sections[name] = match[2]
        elif line == "--":
            name = None
        elif name is not None:
            sections[name] += " " + line.removeprefix("--").strip()
    return sections


def read_parameters(section: str) -> list[str]:
    """The names with their colons."""
    return list(dict.fromkeys(re.findall(r":\w+", section)))


def read_columns(section: str) -> list[str]:
    """`one: a, b (remark); in order` names the columns a and b; `none` names none."""
    listed = re.sub(r"\([^)]*\)", "", section).partition(";")[0]
    listed = listed.rpartition(":")[2].strip()
    return [] if listed == "none" else [column.strip() for column in listed.split(",")]


def _compare(kind: str, documented: list[str], found: list[str], where_found: str) -> Iterator[str]:
    for name in documented:
        if name not in found:
            yield f"the {kind} {name} is in the header and not in {where_found}"
    for name in found:
        if name not in documented:
            yield f"the {kind} {name} is in {where_found} and not in the header"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
