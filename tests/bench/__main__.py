"""`just bench`: how fast the service is, against the ceiling, against others, and as it grows."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markdown import Markdown

from tests.bench import cost, fairness, growth, machine, postgres, throughput
from tests.bench.load import find_wrk
from tests.bench.pages import POSTGRES_FILE, fill_pages, fill_postgres_pages
from tests.bench.places import FOLDER, PUBLISHED, sweep
from tests.bench.plan import PARTS, PLANS, Plan
from tests.bench.plots import draw
from tests.bench.postgres_results import load as load_postgres
from tests.bench.quiet import wait_until_quiet
from tests.bench.results import Report, load, save
from tests.bench.tables import render
from tests.bench.targets import STORING
from tests.bench.watch import Watch

POSTGRES = "postgres"
RESULTS_FILE = "results.json"

WORDS = """\
  quick     a look at all of it, up to 100,000 messages, in two minutes (the default)
  full      figures to quote, up to ten million messages, in an hour; publishes them
  ceiling   the ratio to the ceiling, start to ready, and memory, in two minutes
  publish   writes docs/bench/ and the pages that show it again, and measures nothing
  postgres  PostgreSQL against SQLite and others, in ten minutes; publishes (postgres --help)
"""


class Arguments(NamedTuple):
    """What was asked for."""

    word: str
    plan: Plan
    folder: Path
    publishes_parts: bool = False
    """Put the plan's parts in place of those that are published."""


def main() -> None:
    """Measure what the word says, show it, and keep it."""
    if sys.argv[1:2] == [POSTGRES]:
        postgres.main(sys.argv[2:])
        return
    arguments = _arguments()
    if arguments.word == "publish":
        report = load(arguments.folder / RESULTS_FILE)
    else:
        find_wrk()
        sweep()
        report = _measure(arguments)
    write(report, arguments.folder)
    if arguments.publishes_parts:
        published = load(PUBLISHED / RESULTS_FILE)
        for part in arguments.plan.parts:
            published.replace_part(part, report)
        write(published, PUBLISHED)
        fill_pages(published)
    if arguments.folder == PUBLISHED:
        fill_pages(report)
    if arguments.word == "publish":
        fill_postgres_pages(load_postgres(PUBLISHED / POSTGRES_FILE))


def write(report: Report, folder: Path) -> None:
    """Write JSON, table and plots into `folder`, and print the table."""
    save(report, folder / RESULTS_FILE)
    text = render(report)
    (folder / "results.md").write_text(text, "utf-8")
    for file in draw(report, folder):
        Console(stderr=True).print(f"wrote {os.path.relpath(file)}")
    console = Console()
    console.print(Markdown(text)) if console.is_terminal else print(text)


def _arguments() -> Arguments:
    parser = argparse.ArgumentParser(
        prog="just bench",
        description=__doc__,
        epilog=f"words:\n{WORDS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("word", nargs="?", default="quick", choices=[*PLANS, "publish", POSTGRES])
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="only these")
    parser.add_argument(
        "--publish", action="store_true", help="put --parts of full in place of the published ones"
    )
    parser.add_argument("--sizes", nargs="+", type=int, help="messages in a database")
    parser.add_argument("--connections", nargs="+", type=int, help="of wrk")
    parser.add_argument("--seconds", type=int, help="length of a run of wrk")
    parser.add_argument("--rounds", type=int, help="of the throughput")
    parser.add_argument(
        "--folder",
        type=Path,
        help="of the results: data/bench/WORD, or docs/bench for a whole full",
    )
    given = vars(parser.parse_args())
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


def _measure(arguments: Arguments) -> Report:
    plan = arguments.plan
    with Watch() as watch:
        load_before = wait_until_quiet(watch, plan.quiet_seconds_max)
        began = time.monotonic()
        report = Report(
            command=" ".join(["just bench", *(sys.argv[1:] or [arguments.word])]),
            began_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            seconds=0,
            machine=machine.describe_machine(),
            versions=machine.describe_versions(),
            commit=machine.describe_commit(),
            load_average=[load_before],
            sync_us=machine.measure_sync_us(),
            run_seconds=plan.seconds,
        )
        _check_fairness(watch)
        for part, measure in MEASURES.items():
            if part in plan.parts:
                measure(report, plan, watch)
                # What was measured is kept, whatever becomes of the rest.
                report.seconds = time.monotonic() - began
                save(report, FOLDER / "last.json")
    report.load_average.append(os.getloadavg()[0])
    return report


def _measure_ceiling(report: Report, plan: Plan, watch: Watch) -> None:
    report.ceiling = throughput.measure_ceiling(plan, watch)


def _measure_throughput(report: Report, plan: Plan, watch: Watch) -> None:
    report.throughput, report.refused = throughput.measure_throughput(plan, watch)


def _measure_cost(report: Report, plan: Plan, watch: Watch) -> None:
    report.cost = cost.measure_cost(plan, watch)


def _measure_growth(report: Report, plan: Plan, watch: Watch) -> None:
    report.growth = growth.measure_growth(plan, watch)


MEASURES: dict[str, Callable[[Report, Plan, Watch], None]] = {
    "ceiling": _measure_ceiling,
    "throughput": _measure_throughput,
    "cost": _measure_cost,
    "growth": _measure_growth,
}


def _check_fairness(watch: Watch) -> None:
    """Nothing is measured of a server that refuses less than the contract says, or more."""
    with watch.part("same answers", len(STORING)) as begin:
        for target in STORING:
            begin(target.label)
            if complaints := fairness.check(target):
                raise SystemExit(f"{target.label}: " + "; ".join(complaints))


if __name__ == "__main__":
    main()
