"""`just bench`: how fast the service is, against the ceiling, against others, and as it grows."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markdown import Markdown

from tests.bench import compare, event_reads, growth, postgres, throughput
from tests.bench.plan import PARTS, PLANS, Plan
from tests.bench.report import Report, render, render_blocks
from tests.bench.servers import fairness
from tests.bench.servers.processes import TARGETS
from tests.bench.traffic.wrk import find_wrk
from tests.measure.machine import wait_until_quiet
from tests.measure.pages import fill_pages
from tests.measure.places import FOLDER, PUBLISHED, sweep
from tests.measure.results import load, save
from tests.measure.watch import Watch

RESULTS_FILE = "results.json"
OTHERS = {"compare": compare.main, "postgres": postgres.main}

WORDS = """\
  quick     a look at all of it, up to 100,000 messages and events, in three minutes (the default)
  full      figures to quote, up to ten million messages and events, in two hours
  ceiling   the ratio to the ceiling, start to ready, and memory, in two minutes
  publish   writes docs/bench/ and the pages that show it again, and measures nothing
  postgres  PostgreSQL against SQLite and FastAPI, in ten minutes (postgres --help)
  compare   this checkout against another one (compare --help)
"""

MEASURES: dict[str, Callable[[Plan, Watch], Any]] = {
    "ceiling": throughput.measure_ceiling,
    "events": throughput.measure_events,
    "throughput": throughput.measure_throughput,
    "growth": growth.measure_growth,
    "event_reads": event_reads.measure_event_reads,
}


class Arguments(NamedTuple):
    """What was asked for."""

    word: str
    plan: Plan
    folder: Path
    publishes_parts: bool = False
    """Put the plan's parts in place of those that are published."""


def main() -> None:
    """Measure what the word says, show it, and keep it."""
    if (other := OTHERS.get("".join(sys.argv[1:2]))) is not None:
        other(sys.argv[2:])
        return
    arguments = _arguments(sys.argv[1:])
    if arguments.word == "publish":
        report = load(arguments.folder / RESULTS_FILE, Report)
    else:
        find_wrk()
        sweep()
        report = _measure(arguments.plan)
    _write(report, arguments.folder)
    if arguments.publishes_parts:
        report_published = load(PUBLISHED / RESULTS_FILE, Report)
        for part in arguments.plan.parts:
            report_published.replace_part(part, report)
        _write(report_published, PUBLISHED)


def _write(report: Report, folder: Path) -> None:
    """Write JSON, tables and pictures into `folder`, and print the tables."""
    save(report, folder / RESULTS_FILE)
    text = render(report)
    (folder / "results.md").write_text(text, "utf-8")
    # It needs matplotlib, which is in the group bench; the tests of this module do not have it.
    from tests.bench.pictures import draw_all  # noqa: PLC0415

    draw_all(report, folder)
    if folder == PUBLISHED:
        fill_pages("bench", render_blocks(report))
    console = Console()
    console.print(Markdown(text)) if console.is_terminal else print(text)


def _arguments(words: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(
        prog="just bench",
        description=__doc__,
        epilog=f"words:\n{WORDS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choices = [*PLANS, "publish", *OTHERS]
    parser.add_argument("word", nargs="?", default="quick", choices=choices)
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="only these")
    parser.add_argument(
        "--publish", action="store_true", help="put --parts of full in place of the published ones"
    )
    parser.add_argument("--sizes", nargs="+", type=int, help="messages in a database")
    parser.add_argument("--event-sizes", nargs="+", type=int, help="events in a database")
    parser.add_argument("--connections", nargs="+", type=int, help="of wrk")
    parser.add_argument("--seconds", type=int, help="length of a run of wrk")
    parser.add_argument("--turns", type=int, help="of throughput and ingest")
    parser.add_argument(
        "--folder",
        type=Path,
        help="of the results: data/bench/WORD, or docs/bench for a whole full",
    )
    given = vars(parser.parse_args(words))
    word, folder, publishes = (given.pop(name) for name in ("word", "folder", "publish"))
    if word == "publish":
        return Arguments(word, PLANS["full"], folder or PUBLISHED)
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    if publishes and (word != "full" or [*changes] != ["parts"]):
        parser.error("--publish goes with full and --parts; a whole full is published anyway")
    is_whole = word == "full" and not changes
    folder = folder or (PUBLISHED if is_whole else FOLDER / word)
    return Arguments(word, PLANS[word]._replace(**changes), folder, publishes)


def _measure(plan: Plan) -> Report:
    with Watch() as watch:
        wait_until_quiet(watch, plan.quiet_seconds_max)
        report = Report.begin("just bench", run_seconds=plan.seconds)
        _check_fairness(watch)
        for part, measure in MEASURES.items():
            if part in plan.parts:
                setattr(report, part, measure(plan, watch))
                # What was measured is kept, whatever becomes of the rest.
                save(report, FOLDER / "last.json")
    report.end()
    return report


def _check_fairness(watch: Watch) -> None:
    """Nothing is measured of a server that refuses less than the contract says, or more."""
    storing = [target for target in TARGETS if target.stores]
    with watch.part("same answers", len(storing)) as begin:
        for target in storing:
            begin(target.label)
            if complaints := fairness.check(target):
                raise SystemExit(f"{target.label}: " + "; ".join(complaints))


if __name__ == "__main__":
    main()
