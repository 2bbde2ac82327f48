"""The published results of the crashes of PostgreSQL."""

import msgspec

from tests.faults.postgres.crashes import Crashes
from tests.measure.pages import fill
from tests.measure.places import ROOT

PUBLISHED = ROOT / "docs" / "faults" / "postgres.json"
PAGES = (ROOT / "docs" / "faults.md",)


class Totals(msgspec.Struct, kw_only=True, frozen=True):
    """A run and its conditions."""

    command: str
    began_at: str
    machine: dict[str, str]
    versions: dict[str, str]
    commit: str
    found: Crashes


def load_totals() -> Totals:
    """The published totals."""
    return msgspec.json.decode(PUBLISHED.read_bytes(), type=Totals)


def publish(totals: Totals) -> None:
    """Write the totals, and the pages that show them."""
    PUBLISHED.write_bytes(msgspec.json.format(msgspec.json.encode(totals), indent=1) + b"\n")
    for page in PAGES:
        page.write_text(quote(page.read_text("utf-8"), totals), "utf-8")


def quote(text: str, totals: Totals) -> str:
    """A page with the totals between its marks."""
    return fill(text, "crashes", {"postgres": render(totals)})


def render(totals: Totals) -> str:
    """The totals as a table, and the conditions."""
    found = totals.found
    rows = {
        "crashes of PostgreSQL": f"{found.crashes:,}",
        "messages acknowledged": f"{found.acknowledged:,}",
        "lost": f"{len(found.lost):,}",
        "there twice": f"{len(found.twice):,}",
        "anything else wrong": f"{len(found.complaints):,}",
        "webhooks: 503 with Retry-After": f"{found.refused:,}",
        "webhooks: any other answer but 200, or none": f"{found.unanswered:,}",
        "longest wait for an answer, s": f"{found.slowest_seconds:.2f}",
        "longest from a server that is back to the next 200, s": f"{found.back_seconds:.2f}",
    }
    lines = ["| what | count |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    versions = ", ".join(f"{name} {version}" for name, version in totals.versions.items())
    origin = f"`{totals.command}` on {totals.began_at[:10]}, commit {totals.commit}, {versions}."
    return "\n".join([*lines, "", origin]) + "\n"
