"""What `just faults` found, as it is published."""

from pathlib import Path

from tests.measure.findings import Finding, findings_table
from tests.measure.pages import fill_pages
from tests.measure.places import ROOT
from tests.measure.results import Measured, load, save

FOLDER = ROOT / "data" / "faults"
"""Git-ignored."""

SQLITE = ROOT / "docs" / "faults" / "results.json"
OPERATORS = ROOT / "docs" / "faults" / "operators.json"
POSTGRES = ROOT / "docs" / "faults" / "postgres.json"

CRASHES, ACKNOWLEDGED, LOST, TWICE = (
    "power losses",
    "messages acknowledged before them",
    "lost",
    "stored twice",
)
"""Findings that the README quotes."""


class FaultRun(Measured):
    """A run, and what is held to be nothing."""

    findings: list[Finding]

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.is_kept for finding in self.findings)


def publish(run: FaultRun, file: Path) -> None:
    """Write the run, and the pages that quote it."""
    save(run, file)
    fill_pages("faults", render_blocks())


def render_blocks() -> dict[str, str]:
    """What is published, as blocks for pages."""
    sqlite, operators, postgres = (load(file, FaultRun) for file in (SQLITE, OPERATORS, POSTGRES))
    return {
        "claim": claim(sqlite),
        "totals": render(sqlite),
        "conditions": sqlite.conditions(),
        "operators": render(operators),
        "postgres": render(postgres),
    }


def render(run: FaultRun) -> str:
    """All findings, and where they come from."""
    return f"{findings_table(run.findings)}\n{run.source()}\n"


def claim(run: FaultRun) -> str:
    """The README's line."""
    found = {finding.what: finding for finding in run.findings}
    return (
        "- **A power loss loses no acknowledged webhook.**"
        f" In {found[CRASHES]} simulated power losses, {found[LOST]} of {found[ACKNOWLEDGED]}\n"
        f"  acknowledged messages were lost and {found[TWICE]} stored twice:"
        f" `{run.command}` ([how](docs/faults.md)).\n"
    )
