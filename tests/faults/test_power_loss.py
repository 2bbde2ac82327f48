"""The service starts after a power loss: nine seeds (`just faults` runs more)."""

from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.suite import run, seeds_of

SEEDS = [seeds_of(number, 2 if number == 0 else 1) for number in range(len(SCENARIOS))]


def test_there_are_nine_seeds() -> None:
    assert sum(map(len, SEEDS)) == 9


@pytest.mark.parametrize("seeds", SEEDS, ids=[each.__name__.strip("_") for each in SCENARIOS])
def test_what_was_acknowledged_is_there_once(library: Path, tmp_path: Path, seeds: range) -> None:
    results = list(run(library, tmp_path, seeds, tmp_path / "bad"))
    assert [result.seed for result in results] == list(seeds)
    bad = [str(result) for result in results if not result.is_good]
    assert not bad, "\n".join(bad)
