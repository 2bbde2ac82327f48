"""Runs in turns: a machine that becomes slower becomes slower for everything that is compared."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.measure.watch import Watch

Case = TypeVar("Case")
Run = TypeVar("Run")


def run_in_turns(
    title: str, cases: Sequence[Case], turns: int, run: Callable[[Case], Run], watch: Watch
) -> dict[Case, list[Run]]:
    """Run every case once in each turn, and every second turn in the reverse order."""
    runs: dict[Case, list[Run]] = {case: [] for case in cases}
    with watch.part(title, turns * len(cases)) as begin:
        for turn in range(turns):
            for case in cases if turn % 2 == 0 else reversed(cases):
                begin(f"{case}, turn {turn + 1}")
                runs[case].append(run(case))
    return runs
