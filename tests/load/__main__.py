"""`just load`: too much load for the service, in several ways, and what became of it."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.traffic.wrk import find_wrk
from tests.load import connections, endurance, output, overload, readers, surroundings
from tests.load.report import PUBLISHED, TRIED, LoadTest, load_all, render, render_blocks
from tests.measure.findings import Finding
from tests.measure.machine import wait_until_quiet
from tests.measure.pages import fill_pages
from tests.measure.places import sweep
from tests.measure.results import save
from tests.measure.watch import Watch


class Kind(NamedTuple):
    """A load test that can be run."""

    load: str
    measure: Callable[[int, Watch], list[Finding]]
    seconds: int
    """Of the load itself."""


KINDS = {
    "overload": Kind(overload.CROWD_LOAD, overload.measure_crowd, 60),
    "tenfold": Kind(overload.TENFOLD_LOAD, overload.measure_tenfold, 60),
    "connections": Kind(connections.LOAD, connections.measure, 30),
    "output": Kind(output.LOAD, output.measure, 30),
    "readers": Kind(readers.LOAD, readers.measure, 60),
    "surroundings": Kind(surroundings.LOAD, surroundings.measure, 30),
    "endurance": Kind(endurance.LOAD, endurance.measure, 30 * 60),
}


def main(words: Sequence[str] | None = None) -> None:
    """Run what was asked for, one after the other, and keep each as soon as it is over."""
    parser = argparse.ArgumentParser(prog="just load", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seconds", type=int, help="of the load, in place of each test's own")
    parser.add_argument(
        "--publish", action="store_true", help="write it into docs/load.json and docs/load.md"
    )
    options = parser.parse_args(words)
    if unknown := set(options.names) - set(KINDS):
        parser.error(f"no load test is called {', '.join(sorted(unknown))}")
    find_wrk()
    sweep()
    file = PUBLISHED if options.publish else TRIED
    with Watch() as watch:
        for name in options.names or KINDS:
            found = _run(name, options.seconds or KINDS[name].seconds, watch)
            print(render(found))
            keep(found, file)
    if options.publish:
        fill_pages("load", render_blocks(load_all(file)))


def _run(name: str, seconds: int, watch: Watch) -> LoadTest:
    wait_until_quiet(watch)
    kind = KINDS[name]
    found = LoadTest.begin("just load", name=name, load=kind.load, findings=[])
    found.findings = kind.measure(seconds, watch)
    found.end()
    return found


def keep(found: LoadTest, file: Path) -> None:
    """Put it in place of an earlier one, in the order of KINDS."""
    tests = load_all(file) | {found.name: found}
    save({name: tests[name] for name in KINDS if name in tests}, file)


if __name__ == "__main__":
    main()
