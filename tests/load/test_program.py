"""`just load`: its bars, its file and its page."""

from collections import Counter
from pathlib import Path

import pytest

from tests.load import __main__ as program
from tests.load import newcomers, report
from tests.load.endurance import Window, judge
from tests.load.report import LoadTest
from tests.load.traffic import Probe
from tests.measure import pages
from tests.measure.findings import Finding, at_least, at_most, exactly, told


def a_load_test(*found: Finding) -> LoadTest:
    return LoadTest(
        name="overload",
        load="Much.",
        command="just load overload",
        began_at="2026-11-23T12:00:00Z",
        seconds=60,
        commit="abc",
        machine={"processor": "one", "cores": "2"},
        load_average=[1.0, 2.0],
        findings=list(found),
    )


@pytest.mark.parametrize(
    ("finding", "is_kept"),
    [
        (at_most("a", 2, "s", 2), True),
        (at_most("a", 2.001, "s", 2), False),
        (at_least("a", 0.8, "", 0.8), True),
        (at_least("a", 0.799, "", 0.8), False),
        (exactly("a", 0, 0), True),
        (exactly("a", 1, 0), False),
        (told("a", 10**9), True),
    ],
)
def test_a_bar_is_kept_or_missed(finding: Finding, is_kept: bool) -> None:
    assert finding.is_kept == is_kept


def test_a_miss_is_told_in_both_tables() -> None:
    found = [told("peak", 9_000.4, "/s"), at_most("late", 2.5, "s", 2), exactly("lost", 0, 0)]
    blocks = report.render_blocks({"overload": a_load_test(*found)})
    assert "| peak | 9,000 /s |  |  |" in blocks["all"]
    assert "| late | 2.50 s | at most 2 | **no** |" in blocks["all"]
    assert "| lost | 0 | 0 | yes |" in blocks["all"]
    assert "**on a busy machine** (load average 1.00)" in blocks["all"]
    assert "| overload | 60 | 1 of 2 | late: 2.50 s (at most 2) |" in blocks["summary"]


def test_what_was_found_is_read_back_and_replaces_what_was_found_before(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    assert report.load_all(file) == {}
    program.keep(a_load_test(told("peak", 1)), file)
    later = a_load_test(told("peak", 9_000.4))
    program.keep(later, file)
    assert report.load_all(file) == {"overload": later}


def test_the_page_says_what_was_found() -> None:
    assert pages.stale("load", report.render_blocks(report.load_all(report.PUBLISHED))) == []


def test_an_unknown_load_test_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["overlaod"])
    assert "no load test is called overlaod" in capsys.readouterr().err


def test_it_is_back_to_normal_after_some_good_probes_in_a_row() -> None:
    quiet = [Probe(0, 200, 0.010, False)] * 100
    good = [Probe(11 + n / 100, 200, 0.019, False) for n in range(newcomers.NORMAL_IN_A_ROW)]
    bad = [Probe(10.5, 503, 0.001, True), Probe(10.9, 200, 0.021, False)]
    assert newcomers.recovery_seconds(quiet, [*bad, *good], 10) == pytest.approx(1.19)
    assert newcomers.recovery_seconds(quiet, [*good[1:], *bad, *good], 10) == pytest.approx(1.19)
    assert newcomers.recovery_seconds(quiet, bad, 10) == float("inf")


@pytest.mark.parametrize(
    ("growth", "missed"), [((0, 0, 0), 0), ((1, 0, 0), 1), ((0, 3, 0), 1), ((0, 0, 1), 1)]
)
def test_growth_over_half_an_hour_is_a_miss(growth: tuple[float, float, int], missed: int) -> None:
    mebibytes, p99_ms, files = growth
    windows = [
        Window(n / 2, 10 + n * p99_ms, 0, 80 + n % 3 + n * mebibytes, 30 + n * files)
        for n in range(60)
    ]
    assert Counter(finding.is_kept for finding in judge(windows))[False] == missed
