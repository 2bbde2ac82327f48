"""Checks every SQL file on a real database, and writes schemas and plans: `just sql`.

    just sql            report on each query, and rewrite schema.sql and the kept plans
    just sql --check    change no file; exit code 1 where one is out of date

Nothing is written while a query is at fault.
"""

import argparse
import difflib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.errors import DatabaseError
from service.store.queries import Queries
from tests.sql_workbench.dialect import Described, Dialect, Query, Unavailable
from tests.sql_workbench.header import find_differences, find_faults
from tests.sql_workbench.postgres import Postgres
from tests.sql_workbench.sqlite import Sqlite
from tests.support.postgres.suite import close

ROOT = Path(__file__).parent.parent.parent
DIALECTS: tuple[Dialect, ...] = (Sqlite(), Postgres())

PLANS_HEADER = "# The plan of every query, on {}; `just sql` writes this file.\n"
PLANNED_ON = {"sqlite": "an empty database", "postgres": "a database of 20,000 messages"}
NO_PLAN = "(reads no table)"


def main(arguments: list[str]) -> int:
    """Check, report and write; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="just sql",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="change no file")
    is_check = parser.parse_args(arguments).check
    return work(DIALECTS, ROOT, is_check)


def work(dialects: Sequence[Dialect], root: Path, is_check: bool) -> int:
    """Check, report and write these dialects of the checkout at `root`, and compare them.

    A database that can't run here is left out, with a message; that is no fault.
    """
    code, described = 0, []
    for dialect in dialects:
        folder = Path("sql") / dialect.name
        print(f"{folder}, on {dialect.version}\n")
        try:
            described.append(dialect.describe(root / folder))
        except Unavailable as error:
            print(f"Left out, neither checked nor written: {error}\n")
        except DatabaseError as error:
            print(error)
            code = 1
        else:
            code = max(code, report(dialect, described[-1], root, is_check))
    differences = list(compare(described))
    print(*differences, sep="\n", end="\n" if differences else "")
    return 1 if differences else code


def compare(described: list[Described]) -> Iterator[str]:
    """Each difference between the dialects' common queries, a sentence each."""
    if len(described) < 2:
        return
    ones, others = ({query.name: query for query in one.queries} for one in described)
    for name in Queries.__struct_fields__:
        if name in ones and name in others:
            for difference in find_differences(ones[name], others[name]):
                yield f"{name}.sql: {difference}."


def report(dialect: Dialect, described: Described, root: Path, is_check: bool) -> int:
    """Report on one dialect, and write its schema and plans below `root`."""
    print(*[show(query) for query in described.queries], sep="\n")
    faults = list(describe_faults(described))
    if faults:
        print(*faults, sep="\n")
        return 1
    texts = snapshots(dialect.name, described)
    are_equal = [_keep(root, file, text, is_check) for file, text in texts.items()]
    return 0 if all(are_equal) or not is_check else 1


def show(query: Query) -> str:
    """The parameters, columns and plan of one query, to be read by people."""
    parts = {
        "parameters": " ".join(f":{name}" for name in query.parameters) or "none",
        "columns": ", ".join(query.columns) or "none",
        "plan": query.plan or NO_PLAN,
    }
    lines = [f"{query.name}\n"]
    for title, text in parts.items():
        lines.append(f"    {title:<12}" + textwrap.indent(text, " " * 16).lstrip() + "\n")
    return "".join(lines)


def describe_faults(described: Described) -> Iterator[str]:
    """Each fault of the queries, a sentence each."""
    for broken in described.broken:
        yield f"{broken.name}.sql: {broken.reason}."
    for query in described.queries:
        for fault in find_faults(query, described.indexes):
            yield f"{query.name}.sql: {fault}."


def snapshots(dialect: str, described: Described) -> dict[Path, str]:
    """The texts of the kept files of a dialect."""
    plans = [
        f"{query.name}\n{textwrap.indent(query.plan or NO_PLAN, '    ')}\n"
        for query in described.queries
    ]
    header = PLANS_HEADER.format(PLANNED_ON[dialect])
    return {
        Path("sql") / dialect / "schema.sql": described.schema,
        Path("tests") / "store" / "plans" / f"{dialect}.txt": "\n".join([header, *plans]),
    }


def _keep(root: Path, file: Path, text: str, is_check: bool) -> bool:
    """Write `text`, unless this is a check. Returns whether the file had this text before."""
    target = root / file
    before = target.read_text("utf-8") if target.exists() else ""
    if before == text:
        print(f"{file}: up to date")
        return True
    print(f"{file}: " + ("out of date: run `just sql`" if is_check else "written"))
    difference = difflib.unified_diff(before.splitlines(), text.splitlines(), n=0, lineterm="")
    print(*list(difference)[2:], sep="\n")
    if not is_check:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return False


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        close()
