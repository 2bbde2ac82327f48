"""Figures that are held to bars."""

from collections.abc import Iterable

import msgspec

from tests.measure.tables import number, table


class Finding(msgspec.Struct, frozen=True):
    """One figure."""

    what: str
    measured: float
    unit: str
    bar: str
    """Empty if the figure is only told."""
    is_kept: bool

    def __str__(self) -> str:
        value = self.measured
        shown = f"{value:,.0f}" if value == round(value) else number(value)
        return f"{shown} {self.unit}".strip()


def told(what: str, measured: float, unit: str = "") -> Finding:
    """A figure without a bar."""
    return Finding(what, _rounded(measured), unit, "", True)


def at_most(what: str, measured: float, unit: str, most: float) -> Finding:
    """A figure that must not be above `most`."""
    return Finding(what, _rounded(measured), unit, f"at most {most:g}", measured <= most)


def at_least(what: str, measured: float, unit: str, least: float) -> Finding:
    """A figure that must not be below `least`."""
    return Finding(what, _rounded(measured), unit, f"at least {least:g}", measured >= least)


def exactly(what: str, measured: float, wanted: float) -> Finding:
    """A count that must be just this."""
    return Finding(what, measured, "", f"{wanted:g}", measured == wanted)


def findings_table(findings: Iterable[Finding]) -> str:
    """A row for each figure."""
    rows = [[one.what, one, one.bar, one.is_kept if one.bar else None] for one in findings]
    return table(["what", "measured", "bar", "kept"], rows)


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")
