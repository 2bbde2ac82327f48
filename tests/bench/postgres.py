"""`just bench postgres`: the service on PostgreSQL, against SQLite and against others.

Everything on one machine: wrk, the servers of HTTP and PostgreSQL itself share its processors. What
is compared is measured in turns.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import machine, postgres_loads, postgres_reads
from tests.bench.load import find_wrk
from tests.bench.pages import POSTGRES_FILE, fill_postgres_pages
from tests.bench.places import FOLDER, PUBLISHED, sweep
from tests.bench.postgres_plan import FULL, PARTS, QUICK, Plan
from tests.bench.postgres_results import PostgresReport, load, save
from tests.bench.postgres_servers import SETTINGS, describe_versions
from tests.bench.postgres_tables import render
from tests.bench.quiet import wait_until_quiet
from tests.bench.watch import Watch

MEASURES: dict[str, Callable[[PostgresReport, Plan, Watch], None]] = {
    "ingest": postgres_loads.measure_ingest,
    "batches": postgres_loads.measure_batches,
    "workers": postgres_loads.measure_workers,
    "senders": postgres_loads.measure_senders,
    "reads": postgres_reads.measure_reads,
}


def main(words: list[str]) -> None:
    """Measure what the words say, show it, and keep it."""
    parser = argparse.ArgumentParser(prog="just bench postgres", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look at it, in few minutes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="only these")
    parser.add_argument(
        "--publish", action="store_true", help="put --parts in place of those that are published"
    )
    parser.add_argument("--rounds", type=int, help="of everything")
    parser.add_argument("--seconds", type=int, help="length of a run of wrk")
    parser.add_argument("--folder", type=Path, help="of postgres.json; docs/bench for a whole run")
    given = vars(parser.parse_args(words))
    is_quick, folder, publishes = (given.pop(name) for name in ("quick", "folder", "publish"))
    changes: dict[str, Any] = {k: tuple(v) if k == "parts" else v for k, v in given.items() if v}
    is_whole = not is_quick and not changes
    folder = folder or (PUBLISHED if is_whole else FOLDER / "postgres-partial")
    if publishes and "parts" not in changes:
        parser.error("--publish goes with --parts: a whole run is published anyway")
    find_wrk()
    sweep()
    report = _measure((QUICK if is_quick else FULL)._replace(**changes))
    save(report, folder / POSTGRES_FILE)
    published = load(PUBLISHED / POSTGRES_FILE)
    if publishes and published is not None:
        for part in changes["parts"]:
            published.replace_part(part, report)
        save(published, PUBLISHED / POSTGRES_FILE)
        fill_postgres_pages(published)
    if folder == PUBLISHED:
        fill_postgres_pages(report)
    print(render(report))


def _measure(plan: Plan) -> PostgresReport:
    with Watch() as watch:
        load_before = wait_until_quiet(watch, plan.quiet_seconds_max)
        began = time.monotonic()
        report = PostgresReport(
            command=" ".join(["just bench", *sys.argv[1:]]),
            began_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            seconds=0,
            machine=machine.describe_machine(),
            versions=describe_versions(),
            settings=SETTINGS,
            commit=machine.describe_commit(),
            load_average=[load_before],
            sync_us=machine.measure_sync_us(),
            run_seconds=plan.seconds,
        )
        for part, measure in MEASURES.items():
            if part in plan.parts:
                measure(report, plan, watch)
                # What was measured is kept, whatever becomes of the rest.
                report.seconds = time.monotonic() - began
                save(report, FOLDER / f"last-{POSTGRES_FILE}")
    report.load_average.append(os.getloadavg()[0])
    return report
