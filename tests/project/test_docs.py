"""The README and the pages say what is true: variables, routes, parameters, metrics, promises."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.api.events import page as page_of_events
from service.api.messages import export, page
from service.app import Application
from service.messages.message import WebhookBody
from service.settings import VARIABLES, Settings, SqliteFile
from service.source_settings import SOURCE_VARIABLES
from service.telemetry.logs import Log
from tests.support.markdown import CODE, code_blocks, named, read, section, tables
from tests.support.processes import ServiceProcess, clean_environment
from tests.support.service import running

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
    _, example, shown, _ = code_blocks("README.md")
    with ServiceProcess(tmp_path, {"WEBHOOK_SECRET": "dev-secret"}) as service:
        script = example.replace("http://127.0.0.1:8000", service.url)
        command = ["sh", "-c", f"curl() {{ command curl -s -w '\\n' \"$@\"; }}\n{script}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == shown


def test_the_two_lines_of_a_provider_store_an_event(tmp_path: Path) -> None:
    run, send = code_blocks("README.md")[3].splitlines()
    variable, *recipe = run.partition("#")[0].split()
    assert recipe == ["just", "run"]
    with ServiceProcess(tmp_path, dict([variable.split("=")])) as service:
        just, *arguments = send.partition("#")[0].split()
        assert just == "just"
        command = [sys.executable, "-m", "service", *arguments, "--url", service.url]
        subprocess.run(command, check=True, env=clean_environment(), stdout=subprocess.DEVNULL)
        [event] = service.get("/events").json()["data"]
    assert (event["source"], event["problem"]) == ("github", None)


# Variables

ALL_VARIABLES = VARIABLES | {
    f"SOURCE_<NAME>_{ending}": variable for ending, variable in SOURCE_VARIABLES.items()
}


def test_the_variables_are_those_that_are_read() -> None:
    assert sorted(named(tables(read("README.md"), "variable"))) == sorted(ALL_VARIABLES)


def written(value: object) -> str | None:
    """A default as the table has it."""
    if value in (None, ()):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    of_sources = {name: None for name in ALL_VARIABLES if name not in VARIABLES}
    assert shown == {name: written(value) for name, value in used.items()} | of_sources | {
        "SOURCE_<NAME>_SCHEME": "<name>",
        "DATABASE_URL": "sqlite:///data/app.db",
        "ALLOW_ASYNC_COMMIT": None,
    }


def test_the_variables_that_can_be_a_file_are_named() -> None:
    sentence = next(line for line in read("README.md").split("\n\n") if "`NAME_FILE`" in line)
    with_file = {name for name, variable in ALL_VARIABLES.items() if variable.has_file}
    assert set(CODE.findall(sentence)) & ALL_VARIABLES.keys() == with_file


# The API


def served_routes(folder: Path) -> set[tuple[str, str]]:
    with (folder / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        environment = {
            "DATABASE_URL": f"sqlite:///{folder / 'app.db'}",
            "SOURCE_GITHUB_SECRET": "secret",
        }
        app = Application(Settings.from_environment(environment), log)
        log.close()
    return {
        (method, route.path)
        for route in app._routes()
        for method in route.methods or ()
        if method != "HEAD"
    }


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_routes_are_those_that_are_served(page: str, tmp_path: Path) -> None:
    route = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[a-z_/{}]+(?:\.json)?)")
    shown = set(route.findall(read(page)))
    if page == "docs/api.md":
        shown |= {("GET", probe) for probe in re.findall(r"`GET (/health/[a-z]+)`", read(page))}
    assert shown == served_routes(tmp_path)


@pytest.mark.parametrize(
    ("title", "column", "names"),
    [
        ("POST /webhook", "field", msgspec.structs.fields(WebhookBody)),
        ("GET /messages", "parameter", page.PARAMETERS),
        ("GET /messages/export", "parameter", export.PARAMETERS),
        ("GET /events", "parameter", page_of_events.PARAMETERS),
    ],
    ids=["webhook", "messages", "export", "events"],
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
