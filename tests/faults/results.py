"""What a run of `just faults` found: kept seed by seed, and published in sum."""

from collections import Counter
from pathlib import Path

import msgspec

from tests.faults.suite import Result
from tests.faults.sweep import Found
from tests.measure.pages import fill
from tests.measure.places import ROOT

FOLDER = ROOT / "data" / "faults"
"""Git-ignored."""

PUBLISHED = ROOT / "docs" / "faults" / "results.json"
PAGES = (ROOT / "README.md", ROOT / "docs" / "faults.md")


class Run(msgspec.Struct, kw_only=True):
    """A run, as far as it has got."""

    began_at: str
    machine: dict[str, str]
    versions: dict[str, str]
    commit: str
    parts: int = 1
    """How often it was begun, or gone on with."""
    seconds: float = 0
    sweep: Found | None = None
    results: list[Result] = []


class Totals(msgspec.Struct, kw_only=True, frozen=True):
    """A run, in sum."""

    command: str
    began_at: str
    parts: int
    hours: float
    machine: dict[str, str]
    versions: dict[str, str]
    commit: str
    seeds: int
    crashes: int
    acknowledged: int
    lost: int
    twice: int
    bad: int
    """Seeds with anything wrong at all."""
    seeds_by_scenario: dict[str, int]
    failed_calls: int
    accepted_beside: int
    refused_beside: int
    """Webhooks while calls failed."""
    lost_beside: int
    twice_beside: int
    bad_beside: int


def sum_up(run: Run) -> Totals:
    """Of a run whose sweep is done."""
    results, sweep = run.results, run.sweep or Found()
    return Totals(
        command=f"just faults --seeds {len(results)}",
        began_at=run.began_at,
        parts=run.parts,
        hours=round(run.seconds / 3600, 2),
        machine=run.machine,
        versions=run.versions,
        commit=run.commit,
        seeds=len(results),
        crashes=sum(result.crashes for result in results),
        acknowledged=sum(result.acknowledged for result in results),
        lost=sum(len(result.lost) for result in results),
        twice=sum(len(result.twice) for result in results),
        bad=sum(not result.is_good for result in results),
        seeds_by_scenario=dict(Counter(result.scenario for result in results)),
        failed_calls=sweep.faults,
        accepted_beside=sweep.accepted,
        refused_beside=sweep.refused,
        lost_beside=sweep.lost,
        twice_beside=sweep.twice,
        bad_beside=len(sweep.complaints),
    )


def save(kept: Run | Totals, file: Path) -> None:
    """Write it as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    indent = 1 if isinstance(kept, Totals) else 0
    file.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=indent) + b"\n")


def load_run(file: Path) -> Run:
    """A run that was kept."""
    return msgspec.json.decode(file.read_bytes(), type=Run)


def load_totals() -> Totals:
    """What was published."""
    return msgspec.json.decode(PUBLISHED.read_bytes(), type=Totals)


def publish(totals: Totals) -> None:
    """Write the totals, and the pages that quote them."""
    save(totals, PUBLISHED)
    for page in PAGES:
        page.write_text(quote(page.read_text("utf-8"), totals), "utf-8")


def quote(text: str, totals: Totals) -> str:
    """A page with the totals between its marks."""
    blocks = {
        "claim": claim(totals),
        "totals": render(totals),
        "conditions": conditions(totals),
    }
    return fill(text, "faults", blocks)


def claim(totals: Totals) -> str:
    """The README's line."""
    return (
        "- **A power loss loses no acknowledged webhook.**"
        f" In {totals.crashes:,} simulated power losses, {totals.lost:,} of"
        f" {totals.acknowledged:,}\n  acknowledged messages were lost and {totals.twice:,}"
        f" stored twice: `{totals.command}` ([how](docs/faults.md)).\n"
    )


def render(totals: Totals) -> str:
    """The totals as a table, and where they come from."""
    rows: dict[str, int | str] = {
        "seeds": totals.seeds,
        "losses of power": totals.crashes,
        "messages acknowledged before them": totals.acknowledged,
        "lost": totals.lost,
        "there twice": totals.twice,
        "seeds with anything else wrong": totals.bad,
        "calls that were made to fail": totals.failed_calls,
        "webhooks meanwhile: 200, 503": f"{totals.accepted_beside:,}, {totals.refused_beside:,}",
        "of the 200s lost, or there twice": totals.lost_beside + totals.twice_beside,
        "hours": f"{totals.hours:.2f}",
    }
    table = _table(
        {name: f"{value:,}" if isinstance(value, int) else value for name, value in rows.items()},
        ("what", "count"),
        "---:",
    )
    return f"{table}\n`{totals.command}` on {totals.began_at[:10]}, commit {totals.commit}.\n"


def conditions(totals: Totals) -> str:
    """Where, when and with what, and how the seeds were spread."""
    return _table(
        {
            "command": f"`{totals.command}`, in {totals.parts} part(s)",
            "when": totals.began_at,
            "commit": totals.commit,
            **totals.machine,
            **totals.versions,
            **{
                f"seeds: {name}": f"{count:,}"
                for name, count in sorted(totals.seeds_by_scenario.items())
            },
        },
        ("condition", ""),
        "---",
    )


def _table(rows: dict[str, str], head: tuple[str, str], alignment: str) -> str:
    lines = [head, ("---", alignment), *rows.items()]
    return "".join(f"| {name} | {value} |\n" for name, value in lines)
