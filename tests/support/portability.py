"""Finds the features in a file of SQL that a relative of PostgreSQL lacks (docs/portability.md)."""

import re
from collections.abc import Iterator

from tests.support.engines import LACKS

# The tables that Citus distributes by message_id. All others stay on its coordinator.
DISTRIBUTED = ("messages", "texts")

_aside = re.compile(
    r"""--[^\n]*|/\*|\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\w*\$""", re.DOTALL
)
_comment_mark = re.compile(r"/\*|\*/")
_change = re.compile(
    r"(?i)\bINSERT\s+INTO\s+(\w+)|\bDELETE\s+FROM\s+(\w+)|\bUPDATE\s+(\w+)\s+SET\b"
)
_clause = r"\b(?:FROM|WHERE|GROUP|ORDER|LIMIT|HAVING|UNION|RETURNING|FOR)\b"
_from = re.compile(rf"(?is)(?<!\bDELETE )\bFROM\b((?:(?!{_clause}).)*)")
_distributed = re.compile(rf"(?i)(?<![\w.])(?:{'|'.join(DISTRIBUTED)})\b(?!\.)")


def read_code(text: str) -> str:
    """`text` without comments, with '' for each string, and with the code between $$ marks."""
    parts = []
    place = 0
    while found := _aside.search(text, place):
        parts.append(text[place : found.start()])
        place = found.end()
        if found[0].startswith('"'):
            parts.append(found[0])
        elif found[0].endswith("'"):
            parts.append("''")
        elif found[0] == "/*":
            place = _end_of_comment(text, place)
            parts.append(" ")
    return "".join(parts) + text[place:]


def find_faults(text: str) -> Iterator[str]:
    """Each feature in a file of SQL that an engine lacks, a sentence each."""
    code = read_code(text)
    for lack in LACKS:
        if lack.is_in(code):
            yield f"{lack.engine} lacks {lack.name}: {lack.url}"
    for statement in code.split(";"):
        yield from _find_faults_of_keys(statement)
        yield from _find_faults_of_indexes(statement)
        yield from _find_faults_of_changes(statement)
        for query in split_queries(statement):
            yield from _find_faults_of_reads(query)


def split_queries(statement: str) -> list[str]:
    """The queries in a statement, the innermost first, each with () for its inner queries."""
    queries: list[str] = []
    open_parts = [""]
    for character in statement:
        if character == "(":
            open_parts.append("")
        elif character == ")" and len(open_parts) > 1:
            part = open_parts.pop()
            is_query = re.match(r"(?i)\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", part)
            if is_query:
                queries.append(part)
            open_parts[-1] += "()" if is_query else f"({part})"
        else:
            open_parts[-1] += character
    return queries + open_parts


def _find_faults_of_keys(statement: str) -> Iterator[str]:
    """A key must contain the distribution column, because Citus checks it in each shard."""
    names = "|".join(DISTRIBUTED)
    if made := re.search(rf"(?is)\bCREATE\s+TABLE\b[\w\s]*?\b({names})\s*\((.*)\)", statement):
        for part in _split(made[2]):
            if re.search(r"(?i)\b(PRIMARY\s+KEY|UNIQUE)\b", part) and not re.match(
                r"(?i)message_id\b|(PRIMARY\s+KEY|UNIQUE)\s*\(\s*message_id\s*\)", part
            ):
                yield f"{made[1]} has another key than message_id: {part}"
    added = rf"(?is)\bUNIQUE\s+INDEX\b.*\bON\s+({names})\b|\bALTER\s+TABLE\b.*\bUNIQUE\b"
    if re.search(added, statement):
        yield "a distributed table has another key than message_id"


def _find_faults_of_indexes(statement: str) -> Iterator[str]:
    """YugabyteDB hashes the first column of an index, which serves only comparisons by =."""
    made = re.search(r"(?is)\bCREATE\s+INDEX\b.*?\bON\s+\w+\s*\((.*)\)", statement)
    if made and not re.match(r"(?i)\w+_msisdn\b|.*\b(ASC|DESC)$", first := _split(made[1])[0]):
        yield f"an index begins with {first}, without ASC or DESC: YugabyteDB would hash it"


def _find_faults_of_changes(statement: str) -> Iterator[str]:
    """CockroachDB changes no table twice. On Citus a part of WITH sees the changes of another."""
    changed = ["".join(tables) for tables in _change.findall(statement)]
    for table in sorted({table for table in changed if changed.count(table) > 1}):
        yield f"a statement changes {table} twice: CockroachDB refuses it"
    for table in sorted(set(changed) & set(DISTRIBUTED)):
        if re.search(rf"(?i)(?<!\bDELETE )\b(FROM|JOIN)\s+{table}\b", statement):
            yield f"a statement reads {table} and changes it: on Citus it sees the change"


def _find_faults_of_reads(query: str) -> Iterator[str]:
    """Distributed tables are joined by their distribution column, and not locked."""
    for clause in _from.findall(query):
        if not _distributed.search(clause):
            continue
        if re.search(r"(?i)\bFOR\s+(NO\s+KEY\s+)?(UPDATE|(KEY\s+)?SHARE)\b", query):
            yield f"rows of a distributed table are locked, more than Citus can: {clause.strip()}"
        parts = _split(clause)
        if len(parts) > 1 and any(
            re.fullmatch(rf"({'|'.join(DISTRIBUTED)})(\s.*)?", part) for part in parts
        ):
            yield f"a distributed table is joined by a comma: {clause.strip()}"
        joins = re.split(r"(?i)\bJOIN\b", clause)[1:]
        if not all(re.search(r"(?i)\bUSING\s*\(\s*message_id\s*\)", join) for join in joins):
            yield f"a distributed table is joined by another column: {clause.strip()}"


def _split(text: str) -> list[str]:
    """The parts between the commas outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _end_of_comment(text: str, place: int) -> int:
    """The end of the comment at `place`. PostgreSQL's comments can be nested."""
    depth = 1
    for mark in _comment_mark.finditer(text, place):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)
