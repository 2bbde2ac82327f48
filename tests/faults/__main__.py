"""`just faults`: simulate power losses, disk errors and operators; look for lost messages."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.operators import suite as operators
from tests.faults.postgres.crashes import Crashes, crash
from tests.faults.recording import Studio
from tests.faults.report import (
    ACKNOWLEDGED,
    CRASHES,
    FOLDER,
    LOST,
    OPERATORS,
    POSTGRES,
    SQLITE,
    TWICE,
    FaultRun,
    publish,
    render,
)
from tests.faults.shim import Call, NoShim, build
from tests.faults.suite import Result, run
from tests.faults.sweep import FAULTS, Found, sweep, sweep_starts
from tests.measure.findings import Finding, exactly, told
from tests.measure.watch import Watch
from tests.support.postgres.install import find_install
from tests.support.postgres.server import Server

SEEDS = {"sqlite": 1_000, "operators": 1_200}
DEPTH = 40
"""So many calls of each kind fail, one after the other."""

START_CALLS = (Call.OPEN, Call.WRITE, Call.SYNC, Call.TRUNCATE, Call.UNLINK)
BAD = FOLDER / "bad"
FILES = {"sqlite": SQLITE, "operators": OPERATORS, "postgres": POSTGRES}


def main() -> int:
    """Run what the arguments say; 0 if nothing was lost, stored twice, or otherwise wrong."""
    options = _options()
    found = FaultRun.begin("just faults", findings=[])
    try:
        with _scratch() as folder, Watch() as watch:
            if options.suite == "postgres":
                found.findings = _crash_postgres(folder, options, watch)
            elif options.seed is not None:
                (result,) = _run(options.suite, folder, [options.seed])
                print(result)
                return int(not result.is_good)
            else:
                seeds = options.seeds or SEEDS[options.suite]
                swept = _sweep(folder, watch) if options.suite == "sqlite" else None
                found.findings = sum_up(_run_all(options.suite, folder, seeds, watch), swept)
    except NoShim as error:
        print(f"just faults can't run here: {error}", file=sys.stderr)
        return 2
    found.end()
    print(render(found), end="")
    if options.publish:
        publish(found, FILES[options.suite])
    return int(not found.is_good)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="just faults",
        description=__doc__,
        epilog="The files of a bad seed stay in data/faults/bad/SEED, as the service found them.",
    )
    parser.add_argument(
        "suite",
        nargs="?",
        default="sqlite",
        choices=FILES,
        help="power losses on SQLite by default; what operators do to SQLite's rows and files;"
        " or crashes of PostgreSQL",
    )
    parser.add_argument("--seeds", type=int, help=f"how many; by default {SEEDS}")
    parser.add_argument("--seed", type=int, help="this one alone, without totals")
    parser.add_argument("--crashes", type=int, default=20, help="of PostgreSQL; 20 by default")
    parser.add_argument("--publish", action="store_true", help="write the totals into docs/")
    return parser.parse_args()


@contextmanager
def _scratch() -> Iterator[Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scratch-") as folder:
        yield Path(folder)


def _sweep(folder: Path, watch: Watch) -> Found:
    watch.say(f"calls that fail: {len(FAULTS)} kinds, {DEPTH} of each, and all of a start")
    library, place = build(folder), folder / "sweep"
    place.mkdir()
    swept = sweep(Studio(library, place, 0), FAULTS, DEPTH)
    swept += sweep_starts(library, folder / "starts", START_CALLS)
    for complaint in swept.complaints[:20]:
        watch.say(complaint)
    return swept


def _run(suite: str, folder: Path, seeds: Iterable[int]) -> Iterator[Result]:
    if suite == "operators":
        return operators.run(folder, seeds, BAD)
    return run(build(folder), folder, seeds, BAD)


def _run_all(suite: str, folder: Path, seeds: int, watch: Watch) -> list[Result]:
    results = []
    for result in watch.track("seeds", _run(suite, folder, range(seeds)), seeds):
        results.append(result)
        if not result.is_good:
            watch.say(str(result))
    return results


def sum_up(results: Sequence[Result], swept: Found | None = None) -> list[Finding]:
    """The findings of all seeds and, after power losses, of the calls that failed."""
    findings = [
        exactly(LOST, sum(len(result.lost) for result in results), 0),
        exactly(TWICE, sum(len(result.twice) for result in results), 0),
        exactly("seeds with anything wrong", sum(not result.is_good for result in results), 0),
    ]
    acknowledged = sum(result.acknowledged for result in results)
    if swept is None:
        scenarios = Counter(result.scenario for result in results)
        return [
            *(told(f"seeds: {name}", count) for name, count in scenarios.items()),
            told("messages acknowledged", acknowledged),
            *findings,
        ]
    return [
        told("seeds", len(results)),
        told(CRASHES, sum(result.crashes for result in results)),
        told(ACKNOWLEDGED, acknowledged),
        *findings,
        told("calls made to fail", swept.faults),
        told("webhooks meanwhile answered 200", swept.accepted),
        told("webhooks meanwhile answered 503, or cut off", swept.refused),
        exactly("of the 200s lost, or stored twice", swept.lost + swept.twice, 0),
        exactly("anything else wrong meanwhile", len(swept.complaints), 0),
    ]


def _crash_postgres(folder: Path, options: argparse.Namespace, watch: Watch) -> list[Finding]:
    install = find_install(trigrams=True)
    if install is None:
        raise SystemExit("no package has PostgreSQL with pg_trgm for this platform")
    with (
        Server(None, install) as server,
        watch.part("crashes of PostgreSQL", options.crashes) as begin,
    ):
        seed = options.seed or 0
        found = crash(server, folder, options.crashes, seed, lambda: begin(""))
    for complaint in [*found.complaints, *found.lost, *found.twice]:
        watch.say(complaint)
    return sum_up_crashes(found, install.version)


def sum_up_crashes(found: Crashes, version: str) -> list[Finding]:
    """The findings of all crashes of PostgreSQL."""
    return [
        told(f"crashes of PostgreSQL {version}", found.crashes),
        told("messages acknowledged", found.acknowledged),
        exactly(LOST, len(found.lost), 0),
        exactly(TWICE, len(found.twice), 0),
        exactly("anything else wrong", len(found.complaints), 0),
        told("webhooks: 503 with Retry-After", found.refused),
        exactly("webhooks: any other answer but 200, or none", found.unanswered, 0),
        told("longest wait for an answer", found.slowest_seconds, "s"),
        told("longest from a restarted server to the next 200", found.back_seconds, "s"),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
