"""`just faults`: take the power away, again and again, and look for what was promised."""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from service.store.sqlite.pool import describe_driver
from tests.faults.postgres.command import main as crash_postgres
from tests.faults.results import FOLDER, Run, load_run, publish, render, save, sum_up
from tests.faults.scenarios import Studio
from tests.faults.shim import Call, NoShim, build
from tests.faults.suite import SEEDS_A_RECORDING, Result, run
from tests.faults.sweep import FAULTS, sweep, sweep_starts
from tests.measure.machine import describe_commit, describe_machine
from tests.measure.watch import Watch

SEEDS = 1_000
DEPTH = 40
"""So many calls of each kind fail, one after the other."""

START_CALLS = (Call.OPEN, Call.WRITE, Call.SYNC, Call.TRUNCATE, Call.UNLINK)

KEPT = FOLDER / "run.json"
BAD = FOLDER / "bad"


class Arguments(NamedTuple):
    """What was asked for."""

    seeds: int
    seed: int | None
    goes_on: bool
    publishes: bool


def main() -> int:
    """Run what the arguments say; 0 when nothing was lost, twice, or otherwise wrong."""
    if sys.argv[1:2] == ["postgres"]:
        return crash_postgres(sys.argv[2:])
    arguments = _arguments()
    try:
        with _scratch() as folder, Watch() as watch:
            library = build(folder)
            if arguments.seed is not None:
                results = list(run(library, folder, [arguments.seed], BAD))
                print(*results, sep="\n")
                return _code(results)
            kept = _begin(arguments.goes_on)
            _run(kept, library, folder, arguments.seeds, watch)
    except NoShim as error:
        print(f"just faults can't run here: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("just faults --continue goes on with the rest.", file=sys.stderr)
        return 130
    totals = sum_up(kept)
    print(render(totals), end="")
    if arguments.publishes:
        publish(totals)
    return _code(kept.results) or int(bool(totals.bad_beside))


def _arguments() -> Arguments:
    parser = argparse.ArgumentParser(
        prog="just faults",
        description=__doc__,
        epilog="What a bad seed has left stays in data/faults/bad/SEED, as the service found it."
        " `just faults postgres` kills PostgreSQL instead (--help).",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many; {SEEDS} if not given")
    parser.add_argument("--seed", type=int, help="this one alone, and no totals")
    parser.add_argument(
        "--continue", action="store_true", dest="goes_on", help="after a run that was interrupted"
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        dest="publishes",
        help="write the totals into docs/ and README.md",
    )
    return Arguments(**vars(parser.parse_args()))


@contextmanager
def _scratch() -> Iterator[Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scratch-") as folder:
        yield Path(folder)


def _begin(goes_on: bool) -> Run:
    if goes_on and KEPT.exists():
        kept = load_run(KEPT)
        if kept.commit != describe_commit():
            raise SystemExit(f"What was kept is of commit {kept.commit}: begin anew.")
        kept.parts += 1
        return kept
    return Run(
        began_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        machine=describe_machine(),
        versions={"python": platform.python_version(), "database": describe_driver()},
        commit=describe_commit(),
    )


def _run(kept: Run, library: Path, folder: Path, seeds: int, watch: Watch) -> None:
    """Do what of `seeds` has not been done, and keep it as it comes."""
    began, before = time.monotonic(), kept.seconds

    def keep() -> None:
        kept.seconds = before + time.monotonic() - began
        save(kept, KEPT)

    if kept.sweep is None:
        watch.say(f"calls that fail: {len(FAULTS)} kinds, {DEPTH} of each, and all of a start")
        place = folder / "sweep"
        place.mkdir()
        running = sweep(Studio(library, place, 0), FAULTS, DEPTH)
        kept.sweep = running + sweep_starts(library, folder / "starts", START_CALLS)
        watch.say("\n".join(kept.sweep.complaints[:20]) or "nothing is wrong")
        keep()
    done = {result.seed for result in kept.results}
    due = [seed for seed in range(seeds) if seed not in done]
    found = watch.track("losses of power", run(library, folder, due, BAD), len(due))
    for number, result in enumerate(found, start=1):
        kept.results.append(result)
        if not result.is_good:
            watch.say(str(result))
        if number % SEEDS_A_RECORDING == 0:
            keep()
    kept.results.sort(key=lambda result: result.seed)
    keep()


def _code(results: Sequence[Result]) -> int:
    return int(not all(result.is_good for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
