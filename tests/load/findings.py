"""What a flood found: figures, and the bars that they are held to."""

from pathlib import Path

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One figure."""

    what: str
    measured: float
    unit: str
    bar: str
    """Empty where the figure is only told."""
    is_kept: bool


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """One flood, when and on what it was let loose, and what became of the service."""

    name: str
    load: str
    """In words."""
    command: str
    began_at: str
    seconds: float
    commit: str
    machine: dict[str, str]
    load_average: list[float]
    """Of one minute: before and after. Above 0.3 before, something else was running."""
    findings: list[Finding]


def told(what: str, measured: float, unit: str) -> Finding:
    """A figure without a bar."""
    return Finding(what, _rounded(measured), unit, "", True)


def at_most(what: str, measured: float, unit: str, most: float) -> Finding:
    """A figure that must not be above `most`."""
    return Finding(what, _rounded(measured), unit, f"at most {most:g}", measured <= most)


def at_least(what: str, measured: float, unit: str, least: float) -> Finding:
    """A figure that must not be below `least`."""
    return Finding(what, _rounded(measured), unit, f"at least {least:g}", measured >= least)


def exactly(what: str, measured: float, unit: str, wanted: float) -> Finding:
    """A count that must be just this."""
    return Finding(what, measured, unit, f"{wanted:g}", measured == wanted)


def load(file: Path) -> dict[str, Flood]:
    """The floods of a file, by name; none where there is no file."""
    if not file.exists():
        return {}
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Flood])


def save(floods: dict[str, Flood], file: Path) -> None:
    """Write them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(floods), indent=1) + b"\n")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
