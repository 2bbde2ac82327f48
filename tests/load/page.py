"""The page that tells what floods did: tables between marks, filled in and never typed."""

from collections.abc import Mapping

from tests.load.findings import Finding, Flood
from tests.measure import pages
from tests.measure.machine import QUIET_LOAD
from tests.measure.places import FOLDER, ROOT
from tests.measure.tables import number, table

PAGE = ROOT / "docs" / "floods.md"
PUBLISHED = ROOT / "docs" / "floods.json"
"""Committed, and shown by the page."""

TRIED = FOLDER.parent / "floods.json"


def fill(text: str, floods: Mapping[str, Flood]) -> str:
    """`text` with what was found between its marks."""
    return pages.fill(text, "floods", {"summary": summary(floods), "all": render(floods)})


def summary(floods: Mapping[str, Flood]) -> str:
    """A row for each flood, with the bars that were missed."""
    rows = [
        [flood.name, f"{flood.seconds:g}", f"{len(kept)} of {len(held)}", "; ".join(missed)]
        for flood in floods.values()
        for held in [[finding for finding in flood.findings if finding.bar]]
        for kept in [[finding for finding in held if finding.is_kept]]
        for missed in [[_describe(finding) for finding in held if not finding.is_kept]]
    ]
    return table(["flood", "seconds", "bars kept", "missed"], rows) if rows else ""


def render(floods: Mapping[str, Flood]) -> str:
    """Everything that was found."""
    return "\n".join(_render(flood) for flood in floods.values())


def _render(flood: Flood) -> str:
    rows = [
        [
            finding.what,
            f"{_show(finding.measured)} {finding.unit}".strip(),
            finding.bar,
            _kept(finding),
        ]
        for finding in flood.findings
    ]
    busy = flood.load_average[0]
    warning = f"; **on a busy machine** (load average {busy:.2f})" if busy > QUIET_LOAD else ""
    return (
        f"### {flood.name}\n\n{flood.load}\n\n"
        + table(["what", "measured", "bar", "kept"], rows)
        + f"\n`{flood.command}` on {flood.began_at[:10]}, {flood.machine['processor']} with"
        f" {flood.machine['cores']} cores, commit {flood.commit}{warning}.\n"
    )


def _describe(finding: Finding) -> str:
    return f"{finding.what}: {_show(finding.measured)} {finding.unit}".strip() + f" ({finding.bar})"


def _kept(finding: Finding) -> str:
    if not finding.bar:
        return ""
    return "yes" if finding.is_kept else "**no**"


def _show(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else number(value)
