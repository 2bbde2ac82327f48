"""The project's pages, and what stands in them."""

import re
from collections.abc import Iterable

from tests.support.service import ROOT

CODE = re.compile(r"`([^`]+)`")

PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "docs/bench/*.md", "sql/*.md", "service/**/*.md")
    for page in ROOT.glob(pattern)
)


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def section(page: str, title: str) -> str:
    """What stands under one title, up to the next of the same level or a higher one."""
    head = re.search(rf"(?m)^(#+) {re.escape(title)}\n", read(page))
    assert head, f"{page} has no section {title}"
    level = len(head[1])
    # One # alone may be a comment in a block of code.
    end = rf"(?m)^#{{{min(level, 2)},{level}}} "
    return re.split(end, read(page)[head.end() :], maxsplit=1)[0]


def code_blocks(page: str) -> list[str]:
    return re.findall(r"(?ms)^```[a-z]*\n(.*?)^```", read(page))


def tables(markdown: str, first_column: str) -> list[list[str]]:
    """The rows of every table whose first column has that title, without their heads."""
    rows: list[list[str]] = []
    is_wanted = False
    previous = ""
    for line in markdown.splitlines():
        if re.fullmatch(r"\|[ :|-]+\|", line):
            is_wanted = cells(previous)[0].lower() == first_column
        elif is_wanted and line.startswith("|"):
            rows.append(cells(line))
        elif not line.startswith("|"):
            is_wanted = False
        previous = line
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def named(rows: Iterable[list[str]], column: int = 0) -> list[str]:
    """What the rows name as code in one column, in their order."""
    return [name for row in rows for name in CODE.findall(row[column])]
