"""The pages that quote what was measured."""

from tests import pages
from tests.bench.places import ROOT
from tests.bench.results import Report
from tests.bench.tables import render_blocks

PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")


def fill_pages(report: Report) -> None:
    """Write the tables of `report` into every page."""
    for page in PAGES:
        page.write_text(fill(page.read_text("utf-8"), report), "utf-8")


def fill(text: str, report: Report) -> str:
    """`text` with the tables of `report` between its marks; raises KeyError for a strange mark."""
    return pages.fill(text, "bench", render_blocks(report))
