"""The pages that quote what was measured: tables between marks, filled in and never typed."""

import re

from tests.bench.places import ROOT
from tests.bench.results import Report
from tests.bench.tables import render_blocks

PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")

_marks = re.compile(r"(<!-- bench: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_pages(report: Report) -> None:
    """Write the tables of `report` into every page."""
    for page in PAGES:
        page.write_text(fill(page.read_text("utf-8"), report), "utf-8")


def fill(text: str, report: Report) -> str:
    """`text` with the tables of `report` between its marks; raises KeyError for a strange mark."""
    blocks = render_blocks(report)

    def replace(mark: re.Match[str]) -> str:
        table = blocks[mark[2]] or "Not measured.\n"
        return f"{mark[1]}{table}{mark[3]}"

    return _marks.sub(replace, text)
