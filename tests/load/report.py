"""What the load tests found: their file, and the page that quotes it."""

from collections.abc import Mapping
from pathlib import Path

from tests.measure.findings import Finding, findings_table
from tests.measure.places import ROOT
from tests.measure.results import Measured, load
from tests.measure.tables import table

PUBLISHED = ROOT / "docs" / "load.json"
TRIED = ROOT / "data" / "load.json"


class LoadTest(Measured):
    """One load test, and what became of the service."""

    name: str
    load: str
    """In words."""
    findings: list[Finding]


def load_all(file: Path) -> dict[str, LoadTest]:
    """The load tests of a file by name; none if there is no file."""
    return load(file, dict[str, LoadTest]) if file.exists() else {}


def render_blocks(tests: Mapping[str, LoadTest]) -> dict[str, str]:
    """The blocks of the page by their names."""
    return {"summary": _summary(tests), "all": "\n".join(map(render, tests.values()))}


def render(test: LoadTest) -> str:
    """Everything that one load test found."""
    table = findings_table(test.findings)
    return f"### {test.name}\n\n{test.load}\n\n{table}\n{test.source()}\n"


def _summary(tests: Mapping[str, LoadTest]) -> str:
    """A row for each load test, with the bars that were missed."""
    rows = []
    for test in tests.values():
        held = [one for one in test.findings if one.bar]
        missed = [f"{one.what}: {one} ({one.bar})" for one in held if not one.is_kept]
        kept = f"{len(held) - len(missed)} of {len(held)}"
        rows.append([test.name, f"{test.seconds:,.0f}", kept, "; ".join(missed)])
    return table(["load test", "seconds", "bars kept", "missed"], rows)
