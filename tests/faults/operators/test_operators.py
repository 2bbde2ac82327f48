"""One history of each scenario (`just faults operators` runs more)."""

from pathlib import Path

import pytest

from tests.faults.operators.scenarios import SCENARIOS
from tests.faults.operators.suite import run


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[each.__name__ for each in SCENARIOS])
def test_what_was_acknowledged_is_there_once(tmp_path: Path, number: int) -> None:
    (result,) = run(tmp_path, range(number, number + 1), tmp_path / "bad")
    assert result.scenario == SCENARIOS[number].__name__
    assert result.is_good, str(result)
    assert result.acknowledged
