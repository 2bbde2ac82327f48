"""The kit that bench, load tests and faults measure with."""

from pathlib import Path

import pytest

from tests.measure import machine, pages
from tests.measure.figures import Spread, percentile
from tests.measure.results import Measured, load, save
from tests.measure.tables import table
from tests.measure.turns import run_in_turns
from tests.measure.watch import Watch


class Found(Measured):
    """What a test finds."""

    loads: list[Spread] = []  # noqa: RUF012  # msgspec copies it
    reads: list[Spread] = []  # noqa: RUF012


def test_a_spread_is_the_median_the_least_and_the_most() -> None:
    spread = Spread.of([3, 1, 2])
    assert spread == Spread(2, 1, 3, [3, 1, 2])
    assert Spread.of_ratios(spread, Spread.of([1, 2, 2])) == Spread(1, 0.5, 3, [3, 0.5, 1])


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (1, 50, 99)] == [1, 50, 99]
    assert percentile([5.0], 99) == 5


def test_every_case_runs_once_in_each_turn_in_changing_order() -> None:
    order: list[str] = []

    def run(case: str) -> int:
        order.append(case)
        return len(order)

    assert run_in_turns("", ("a", "b"), 3, run, Watch()) == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert "".join(order) == "abbaab"


def test_cells_show_figures_ranges_and_bars() -> None:
    row = ["a", Spread.of([1, 2, 3]), once := Spread.of([1234.5]), 1_000, 0.123, True, False, None]
    assert once.median == 1234.5
    assert table(["h"] * len(row), [row]).splitlines()[2] == (
        "| a | 2.00 (1.00 to 3.00) | 1,234 | 1,000 | 0.12 | yes | **no** |  |"
    )
    assert table(["h"], []) == ""


def test_what_was_found_is_read_back_and_a_part_of_it_can_be_measured_again(tmp_path: Path) -> None:
    found = Found.begin("just measure", loads=[Spread.of([1])], reads=[Spread.of([2])])
    found.end()
    save(found, tmp_path / "found.json")
    assert load(tmp_path / "found.json", Found) == found
    later = Found.begin("just measure", reads=[Spread.of([3])])
    later.commit = "def5678"
    found.replace_part("reads", later)
    assert (found.loads[0].median, found.reads[0].median) == (1, 3)
    assert (
        f"Measured again, `--parts reads`: {later.began_at[:10]}, commit def5678." in found.source()
    )


def test_a_page_is_filled_between_its_marks() -> None:
    page = "before\n<!-- bench: cost -->\nold\n<!-- end -->\nafter\n"
    filled = pages.fill(page, "bench", {"cost": "new\n"})
    assert filled == page.replace("old", "new")
    assert pages.fill(page, "other", {}) == page
    assert "Not measured." in pages.fill(page, "bench", {"cost": ""})
    with pytest.raises(KeyError):
        pages.fill(page, "bench", {"costs": ""})


def test_a_run_waits_until_earlier_work_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([2.0, 2.0, 0.9, 0.2])
    monkeypatch.setattr("tests.measure.machine.os.getloadavg", lambda: (next(loads), 5.0, 5.0))
    slept: list[float] = []
    monkeypatch.setattr("tests.measure.machine.time.sleep", slept.append)
    machine.wait_until_quiet(Watch())
    assert len(slept) == 2


def test_a_run_begins_also_on_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.measure.machine.os.getloadavg", lambda: (2.0, 2.0, 2.0))
    machine.wait_until_quiet(Watch(), seconds_max=0)
    assert "not idle (load average 2.00)" in capsys.readouterr().err
