"""`just load`: the service under what no service is meant for, and what became of it."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.bench.wrk import find_wrk
from tests.load import connections, endurance, output, overload, readers, surroundings, tenfold
from tests.load.findings import Finding, Flood, load, save
from tests.load.page import PAGE, PUBLISHED, TRIED, fill, render
from tests.measure import machine
from tests.measure.machine import wait_until_quiet
from tests.measure.places import sweep
from tests.measure.watch import Watch


class Kind(NamedTuple):
    """A flood that can be let loose."""

    load: str
    measure: Callable[[int, Watch], list[Finding]]
    seconds: int
    """What comes before and after it is not in it."""


KINDS = {
    "overload": Kind(overload.LOAD, overload.measure, 60),
    "tenfold": Kind(tenfold.LOAD, tenfold.measure, 60),
    "connections": Kind(connections.LOAD, connections.measure, 30),
    "output": Kind(output.LOAD, output.measure, 30),
    "readers": Kind(readers.LOAD, readers.measure, 60),
    "surroundings": Kind(surroundings.LOAD, surroundings.measure, 30),
    "endurance": Kind(endurance.LOAD, endurance.measure, 30 * 60),
}


def main() -> None:
    """Let loose what was asked for, one after the other; each is kept as soon as it is over."""
    arguments = _arguments()
    find_wrk()
    sweep()
    file = PUBLISHED if arguments.publish else TRIED
    with Watch() as watch:
        for name in arguments.names or KINDS:
            found = _let_loose(name, arguments.seconds or KINDS[name].seconds, watch)
            print(render({name: found}))
            _keep(found, file)
    if arguments.publish:
        PAGE.write_text(fill(PAGE.read_text("utf-8"), load(file)), "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="just load", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seconds", type=int, help="that each lasts, where its own are too many")
    parser.add_argument(
        "--publish", action="store_true", help="write it into docs/floods.json and docs/floods.md"
    )
    arguments = parser.parse_args()
    if strange := set(arguments.names) - set(KINDS):
        parser.error(f"no flood is called {', '.join(sorted(strange))}")
    return arguments


def _let_loose(name: str, seconds: int, watch: Watch) -> Flood:
    wait_until_quiet(watch)
    load_before = os.getloadavg()[0]
    began_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    findings = KINDS[name].measure(seconds, watch)
    return Flood(
        name=name,
        load=KINDS[name].load,
        command=" ".join(["just load", *sys.argv[1:]]),
        began_at=began_at,
        seconds=seconds,
        commit=machine.describe_commit(),
        machine=machine.describe_machine(),
        load_average=[load_before, os.getloadavg()[0]],
        findings=findings,
    )


def _keep(flood: Flood, file: Path) -> None:
    """In the order of the kinds, whichever was measured last."""
    floods = load(file) | {flood.name: flood}
    save({name: floods[name] for name in KINDS if name in floods}, file)


if __name__ == "__main__":
    main()
