"""The pages that quote what was measured."""

from tests.bench import postgres_tables
from tests.bench.places import ROOT
from tests.bench.postgres_results import PostgresReport
from tests.bench.results import Report
from tests.bench.tables import render_blocks
from tests.support import pages

POSTGRES_FILE = "postgres.json"

PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")


def fill_pages(report: Report) -> None:
    """Write the tables of `report` into every page."""
    for page in PAGES:
        page.write_text(fill(page.read_text("utf-8"), report), "utf-8")


def fill_postgres_pages(report: PostgresReport | None) -> None:
    """Write the tables of `just bench postgres` into every page; None: nothing is measured yet."""
    for page in PAGES:
        page.write_text(fill_postgres(page.read_text("utf-8"), report), "utf-8")


def fill(text: str, report: Report) -> str:
    """`text` with the tables of `report` between its marks; raises KeyError for a strange mark."""
    return pages.fill(text, "bench", render_blocks(report))


def fill_postgres(text: str, report: PostgresReport | None) -> str:
    """`text` with the tables of `report`; raises KeyError for a strange mark."""
    return pages.fill(text, "postgres", postgres_tables.render_blocks(report))
