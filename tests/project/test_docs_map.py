"""The map has every module, and every path and link of the pages leads to what is there."""

import re
from pathlib import Path

import pytest

from tests.support.markdown import CODE, PAGES, code_blocks, read, tables
from tests.support.service import ROOT

# The map


def test_the_map_has_every_module() -> None:
    shown: list[str] = []
    room = ""
    for row in tables(read("docs/architecture.md"), "room"):
        room = (CODE.findall(row[0]) or [room])[0]
        shown += [room + module for module in CODE.findall(row[1])]
    there = [
        str(module.relative_to(ROOT))
        for module in (ROOT / "service").rglob("*.py")
        if module.name != "__init__.py"
    ]
    assert sorted(shown) == sorted(there)


def test_the_ways_through_the_code_name_what_is_there() -> None:
    ways = "\n".join(code_blocks("docs/architecture.md"))
    for path in re.findall(r"(?<!\S)((?:[a-z_]+/)+[\w.*]*|[a-z_]+\.py)", ways):
        folder = ROOT if path.startswith("sql/") else ROOT / "service"
        assert any(folder.glob(path.rstrip("/"))), path


# Links and paths


@pytest.mark.parametrize("page", PAGES)
def test_paths_lead_to_what_is_there(page: str) -> None:
    for path in re.findall(r"`((?:service|tests|sql|docs|deploy)/[\w./-]*)(?:::\w+)?`", read(page)):
        assert (ROOT / path).exists(), path


def anchors(page: Path) -> set[str]:
    """Of its titles, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_what_is_there(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\((?!https?:|mailto:)(\S+?)\)", path.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_found(page: str) -> None:
    start = "docs/speed.md" if page.startswith("docs/bench/") else "README.md"
    link = str((ROOT / page).relative_to((ROOT / start).parent))
    assert page == "README.md" or f"]({link}" in read(start)
