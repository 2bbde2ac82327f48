"""Checks every SQL file on a real database, and writes what is kept of them: `just sql`.

    just sql            report on each query, and rewrite schema.sql and the kept plans
    just sql --check    change no file; exit code 1 where one is out of date

Nothing is written while a query is at fault.
"""

import argparse
import difflib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from service.errors import DatabaseError
from tests.sql_workbench.dialect import Described, Dialect, Query
from tests.sql_workbench.header import find_faults
from tests.sql_workbench.sqlite import Sqlite

ROOT = Path(__file__).parent.parent.parent
DIALECTS: tuple[Dialect, ...] = (Sqlite(),)

PLANS_HEADER = "# The plan of every query, on an empty database; `just sql` writes this file.\n"
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
    return max(work(dialect, ROOT, is_check) for dialect in DIALECTS)


def work(dialect: Dialect, root: Path, is_check: bool) -> int:
    """Do it for one dialect of the checkout at `root`."""
    folder = Path("sql") / dialect.name
    print(f"{folder}, on {dialect.version}\n")
    try:
        described = dialect.describe(root / folder)
    except DatabaseError as error:
        print(error)
        return 1
    print(*[show(query) for query in described.queries], sep="\n")
    faults = list(describe_faults(described))
    if faults:
        print(*faults, sep="\n")
        return 1
    texts = snapshots(dialect.name, described)
    are_equal = [_keep(root, file, text, is_check) for file, text in texts.items()]
    return 0 if all(are_equal) or not is_check else 1


def show(query: Query) -> str:
    """What a person wants to see of one query."""
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
    """What is wrong with the queries, a sentence each."""
    for broken in described.broken:
        yield f"{broken.name}.sql: {broken.reason}."
    for query in described.queries:
        for fault in find_faults(query, described.indexes):
            yield f"{query.name}.sql: {fault}."


def snapshots(dialect: str, described: Described) -> dict[Path, str]:
    """What is kept of a dialect, by file."""
    plans = [
        f"{query.name}\n{textwrap.indent(query.plan or NO_PLAN, '    ')}\n"
        for query in described.queries
    ]
    return {
        Path("sql") / dialect / "schema.sql": described.schema,
        Path("tests") / "store" / "plans" / f"{dialect}.txt": "\n".join([PLANS_HEADER, *plans]),
    }


def _keep(root: Path, file: Path, text: str, is_check: bool) -> bool:
    """Write `text`, unless this is a check; gives whether the file held it already."""
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
    sys.exit(main(sys.argv[1:]))
