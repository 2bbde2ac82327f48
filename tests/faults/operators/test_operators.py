"""A few histories of each scenario (`just faults operators` runs more)."""

from pathlib import Path

import pytest

from tests.faults.operators.scenarios import SCENARIOS
from tests.faults.operators.suite import run


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[each.__name__ for each in SCENARIOS])
def test_what_was_acknowledged_is_there_once(tmp_path: Path, number: int) -> None:
    seeds = range(number, 3 * len(SCENARIOS), len(SCENARIOS))
    results = list(run(tmp_path, seeds, tmp_path / "bad"))
    assert [result.scenario for result in results] == [SCENARIOS[number].__name__] * 3
    bad = [str(result) for result in results if not result.is_good]
    assert not bad, "\n".join(bad)
    assert all(result.acknowledged for result in results)
