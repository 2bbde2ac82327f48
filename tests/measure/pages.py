"""Pages that quote what was measured: blocks between marks, filled in and never typed.

A block stands between `<!-- kind: name -->` and `<!-- end -->`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.measure.places import ROOT

NOT_MEASURED = "Not measured.\n"

_marks = re.compile(r"(<!-- ([a-z]+): ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def quoting(kind: str) -> list[Path]:
    """The pages that have marks of one kind."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in pages if f"<!-- {kind}: " in page.read_text("utf-8")]


def fill_pages(kind: str, blocks: Mapping[str, str]) -> None:
    """Write the blocks into every page that has marks of this kind."""
    for page in quoting(kind):
        page.write_text(fill(page.read_text("utf-8"), kind, blocks), "utf-8")


def fill(text: str, kind: str, blocks: Mapping[str, str]) -> str:
    """`text` with `blocks` between its marks of one kind; raises KeyError for an unknown name."""

    def replace(mark: re.Match[str]) -> str:
        if mark[2] != kind:
            return mark[0]
        return mark[1] + (blocks[mark[3]] or NOT_MEASURED) + mark[4]

    return _marks.sub(replace, text)


def stale(kind: str, blocks: Mapping[str, str]) -> list[Path]:
    """The pages that say something else than the blocks."""
    texts = {page: page.read_text("utf-8") for page in quoting(kind)}
    return [page for page, text in texts.items() if fill(text, kind, blocks) != text]
