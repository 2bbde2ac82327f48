"""The pages say what is true: their tables, routes, paths and commands equal the code's."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.__main__ import COMMANDS
from service.api import export, messages
from service.app import Application
from service.messages.message import WebhookBody
from service.settings import VARIABLES, Settings, SqliteFile
from service.telemetry.logs import Log
from tests.support.processes import ServiceProcess, clean_environment
from tests.support.service import ROOT, running

CODE = re.compile(r"`([^`]+)`")

PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "docs/bench/*.md", "sql/*.md", "service/**/*.md")
    for page in ROOT.glob(pattern)
)


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def section(page: str, title: str) -> str:
    """What stands under one title, up to the next of the same level."""
    found = re.search(rf"(?ms)^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", read(page))
    assert found, f"{page} has no section {title}"
    return found[2]


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


# The README


def test_the_readme_is_short_and_answers_in_order() -> None:
    lines = read("README.md").splitlines()
    assert len(lines) <= 200
    assert any("just run" in line for line in lines[:24])
    assert [line[3:] for line in lines if line.startswith("## ")] == [
        "What nobody else has",
        "API",
        "Variables",
        "How it works",
        "What is promised, and what is not",
        "Where to read on",
    ]


def test_the_example_answers_as_it_is_shown(tmp_path: Path) -> None:
    if not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("there is no curl, or no openssl")
    _, example, shown = code_blocks("README.md")
    with ServiceProcess(tmp_path, {"WEBHOOK_SECRET": "dev-secret"}) as service:
        script = example.replace("http://127.0.0.1:8000", service.url)
        command = ["sh", "-c", f"curl() {{ command curl -s -w '\\n' \"$@\"; }}\n{script}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == shown


# Variables


def test_the_variables_are_those_that_are_read() -> None:
    assert sorted(named(tables(read("README.md"), "variable"))) == sorted(VARIABLES)


def test_the_defaults_are_those_that_are_used() -> None:
    """A row may hold several variables, and then as many defaults, in their order."""
    shown: dict[str, str | None] = {}
    for row in tables(read("README.md"), "variable"):
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


def test_the_variables_that_can_be_a_file_are_named() -> None:
    sentence = next(line for line in read("README.md").split("\n\n") if "`NAME_FILE`" in line)
    with_file = {name for name, variable in VARIABLES.items() if variable.has_file}
    assert set(CODE.findall(sentence)) & VARIABLES.keys() == with_file


# The API


def served_routes(folder: Path) -> set[tuple[str, str]]:
    with (folder / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        app = Application(Settings(database=SqliteFile(folder / "app.db")), log)
        log.close()
    return {
        (method, route.path)
        for route in app._routes()
        for method in route.methods or ()
        if method != "HEAD"
    }


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_routes_are_those_that_are_served(page: str, tmp_path: Path) -> None:
    route = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[a-z/]+(?:\.json)?)")
    shown = set(route.findall(read(page)))
    if page == "docs/api.md":
        shown |= {("GET", probe) for probe in re.findall(r"`GET (/health/[a-z]+)`", read(page))}
    assert shown == served_routes(tmp_path)


@pytest.mark.parametrize(
    ("title", "column", "names"),
    [
        ("POST /webhook", "field", msgspec.structs.fields(WebhookBody)),
        ("GET /messages", "parameter", messages.PARAMETERS),
        ("GET /messages/export", "parameter", export.PARAMETERS),
    ],
    ids=["webhook", "messages", "export"],
)
def test_the_parameters_are_those_that_are_read(
    title: str, column: str, names: Iterable[str | msgspec.structs.FieldInfo]
) -> None:
    read_names = [name if isinstance(name, str) else name.encode_name for name in names]
    shown = named(tables(section("docs/api.md", title), column))
    assert sorted(shown) == sorted(read_names)


# Metrics


@pytest.mark.anyio
async def test_the_metrics_are_those_that_are_exposed(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await service.get("/health/live")
        text = (await service.get("/metrics")).text
    families = [
        family
        for family in text_string_to_metric_families(text)
        if not family.name.startswith(("process_", "python_"))
    ]
    suffixes = {"counter": "_total"}
    exposed = {family.name + suffixes.get(family.type, ""): family for family in families}
    table = tables(read("docs/operations.md"), "metric")
    rows = {name: row for row in table for name in CODE.findall(row[0])}
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
    for line in read("justfile").splitlines():
        match = re.match(r"@?([a-z][a-z0-9_-]*)( [^:]*)?:(?!=)", line)
        if match and above != "[private]":
            found[match[1]] = above
        above = line
    return found


def words_after(command: str, page: str) -> set[str]:
    """The words that stand after a command in a page's code."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", read(page), re.DOTALL))
    return set(re.findall(rf"(?<![./\w-]){command} ([a-z][a-z-]*)", code))


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_there(page: str) -> None:
    private = {"compose"}  # docs/postgresql.md calls it to move between containers
    assert words_after("just", page) <= listed_recipes().keys() | private
    assert words_after("python -m service", page) <= COMMANDS.keys()


def test_every_recipe_is_documented() -> None:
    assert listed_recipes().keys() <= set().union(*(words_after("just", page) for page in PAGES))


def test_every_listed_recipe_says_what_it_does() -> None:
    for name, above in listed_recipes().items():
        assert above.startswith("# "), name


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
    for name in ("justfile", "pyproject.toml", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    python = tmp_path / ".venv" / "bin" / "python"  # does all but serve
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$*" = "-m service" ] || exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    project = (ROOT / "pyproject.toml").read_text()
    (tmp_path / ".venv" / "installed").write_text(f"{tmp_path}\n{project}")
    shutil.copy(ROOT / "requirements" / "service.txt", tmp_path / ".venv" / "installed-service")
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


# Promises


def test_every_situation_names_tests_that_are_there() -> None:
    rows = tables(read("docs/promises.md"), "situation")
    assert len(rows) == 16
    for row in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[-1])
        assert tests, row[0]
        for file, name in tests:
            assert f"def {name}(" in read(file), f"{file}::{name}"


def test_every_promise_names_what_shows_it() -> None:
    rows = tables(read("docs/promises.md"), "promise")
    assert len(rows) > 10
    for row in rows:
        assert re.search(r"`(tests/|just )", row[-1]), row[0]


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
