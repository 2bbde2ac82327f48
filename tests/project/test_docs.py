"""The README says what is true: its tables, routes and commands are held equal to the code."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import Application
from service.settings import VARIABLES, Settings, SqliteFile
from service.telemetry.logs import Log
from tests.support.processes import clean_environment
from tests.support.service import ROOT, running

README = ROOT / "README.md"
CODE = re.compile(r"`([^`]+)`")


@pytest.fixture
def readme() -> str:
    return README.read_text("utf-8")


def tables(markdown: str, first_column: str) -> list[list[str]]:
    """The rows of every table whose first column is called that, without their heads."""
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


# Variables


def test_the_variables_are_those_that_are_read(readme: str) -> None:
    named = [name for row in tables(readme, "variable") for name in CODE.findall(row[0])]
    assert sorted(named) == sorted(VARIABLES)


def test_the_defaults_are_those_that_are_used(readme: str) -> None:
    """A row may hold several variables, and then as many defaults, in their order."""
    shown: dict[str, str | None] = {}
    for row in tables(readme, "variable"):
        names, defaults = CODE.findall(row[0]), CODE.findall(row[1])
        shown |= dict(zip(names, defaults or [None] * len(names), strict=True))
    settings = Settings.from_environment({})
    used = {
        name: getattr(settings, variable.field)
        for name, variable in VARIABLES.items()
        if name != "DATABASE_URL"
    }
    assert settings.database == SqliteFile(Path("data/app.db"))
    assert shown == {
        name: None if value is None else str(value) for name, value in used.items()
    } | {"DATABASE_URL": "sqlite:///data/app.db", "ALLOW_ASYNC_COMMIT": None}


def test_the_variables_that_may_stand_in_a_file_are_told(readme: str) -> None:
    assert "_FILE" in readme
    for name, variable in VARIABLES.items():
        if not variable.has_file:
            assert f"{name}_FILE" not in readme


# Routes


def test_the_routes_are_those_that_are_served(readme: str, tmp_path: Path) -> None:
    named = set(re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/[a-z/]+(?:\.json)?)", readme))
    with (tmp_path / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        app = Application(Settings(database=SqliteFile(tmp_path / "app.db")), log)
        log.close()
    served = {
        (method, route.path)
        for route in app._routes()
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert named == served


# Metrics


@pytest.mark.anyio
async def test_the_metrics_are_those_that_are_exposed(readme: str, tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await service.get("/health/live")
        text = (await service.get("/metrics")).text
    families = [
        family
        for family in text_string_to_metric_families(text)
        if not family.name.startswith("process_")
    ]
    suffixes = {"counter": "_total"}
    exposed = {family.name + suffixes.get(family.type, ""): family for family in families}
    rows = {name: row for row in tables(readme, "metric") for name in CODE.findall(row[0])}
    assert sorted(rows) == sorted(exposed)
    for name, family in exposed.items():
        assert family.type in rows[name][1], name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(CODE.findall(" ".join(rows[name]))), name


# Commands


def listed_recipes() -> dict[str, str]:
    """Every recipe that `just` lists, and the line above it."""
    found = {}
    above = ""
    for line in (ROOT / "justfile").read_text("utf-8").splitlines():
        match = re.match(r"@?([a-z][a-z0-9_-]*)( [^:]*)?:(?!=)", line)
        if match and above != "[private]":
            found[match[1]] = above
        above = line
    return found


def test_the_words_of_just_are_those_of_the_justfile(readme: str) -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", readme, re.DOTALL))
    named = set(re.findall(r"(?<!\.)\bjust ([a-z][a-z-]*)", code))
    assert named == set(listed_recipes())


def test_every_listed_recipe_says_what_it_does() -> None:
    for name, above in listed_recipes().items():
        assert above.startswith("# "), name


def test_there_is_something_to_run_before_line_25(readme: str) -> None:
    head = readme.splitlines()[:24]
    assert any("just run" in line for line in head)


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "8001"}, "http://127.0.0.1:8001"),
        ({"HOST": "192.0.2.1"}, "http://192.0.2.1:8000"),
        ({"HOST": "::1"}, "http://[::1]:8000"),
    ],
    ids=str,
)
def test_run_shows_addresses_that_it_listens_on(
    tmp_path: Path, variables: dict[str, str], base: str
) -> None:
    just = shutil.which("just")
    if just is None:
        pytest.skip("there is no just on the PATH")
    wanted = f"{tmp_path}\n"
    for name in ("justfile", "pyproject.toml", "requirements-dev.txt", "requirements-servers.txt"):
        shutil.copy(ROOT / name, tmp_path)
        wanted += "" if name == "justfile" else (ROOT / name).read_text()
    python = tmp_path / ".venv" / "bin" / "python"  # all but the service itself
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$*" = "-m service" ] || exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "installed").write_text(wanted)
    done = subprocess.run(
        [just, "run"],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT), **variables),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = re.findall(r"http://[\w.:\[\]]+[\w]", done.stderr)
    assert (len(shown), set(shown)) == (6, {base})


# Situations


def test_every_situation_names_tests_that_are_there(readme: str) -> None:
    rows = tables(readme, "situation")
    assert len(rows) == 16
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[-1])
        assert named, row[0]
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file}::{name}"


# Links


PAGES = ["README.md", "CHANGELOG.md", "sql/README.md", "service/api/docs_page/README.md"] + [
    f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")
]


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
def test_every_page_can_be_found(page: str, readme: str) -> None:
    assert page == "README.md" or f"]({page}" in readme
