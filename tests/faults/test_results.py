"""`just faults`: what it keeps, sums up, publishes and tells."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.results import (
    PAGES,
    Run,
    load_run,
    load_totals,
    quote,
    render,
    save,
    sum_up,
)
from tests.faults.suite import Result
from tests.faults.sweep import Found
from tests.support.service import ROOT

GOOD = Result(3, "load", 1, "after 7 of 9 operations, nothing", 10, [], [], [])
BAD = Result(4, "again", 2, "after 8 of 9 operations, pages", 20, ["m-1"], ["m-2"], ["not ready"])
RUN = Run(
    began_at="2026-11-23T12:00:00Z",
    machine={"processor": "one"},
    versions={"python": "3.11"},
    commit="abc",
    seconds=7200,
    sweep=Found(5, 1_000, 7, 0, 0, ["strange"]),
    results=[GOOD, BAD],
)


def test_a_run_is_kept_as_it_was(tmp_path: Path) -> None:
    save(RUN, tmp_path / "new" / "run.json")
    assert load_run(tmp_path / "new" / "run.json") == RUN


def test_totals_hide_nothing() -> None:
    totals = sum_up(RUN)
    assert (totals.seeds, totals.crashes, totals.acknowledged) == (2, 3, 30)
    assert (totals.lost, totals.twice, totals.bad) == (1, 1, 1)
    assert (totals.failed_calls, totals.bad_beside, totals.hours) == (5, 1, 2.0)
    assert totals.seeds_by_scenario == {"load": 1, "again": 1}
    shown = render(totals)
    for row in ("| lost | 1 |", "| there twice | 1 |", "| seeds with anything else wrong | 1 |"):
        assert row in shown
    assert "| webhooks meanwhile: 200, 503 | 1,000, 7 |" in shown


def test_a_bad_seed_says_how_to_run_it_again() -> None:
    assert (GOOD.is_good, BAD.is_good) == (True, False)
    told = str(BAD)
    assert told.startswith("just faults --seed 4 ")
    for wrong in ("lost m-1", "twice m-2", "not ready"):
        assert wrong in told
    assert command._code([GOOD]) == 0
    assert command._code([GOOD, BAD]) == 1


def test_a_run_goes_on_only_with_the_same_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "KEPT", tmp_path / "run.json")
    monkeypatch.setattr(command, "describe_commit", lambda: "abc")
    save(RUN, tmp_path / "run.json")
    assert command._begin(goes_on=True).parts == 2
    assert command._begin(goes_on=False).results == []
    monkeypatch.setattr(command, "describe_commit", lambda: "def")
    with pytest.raises(SystemExit, match="commit abc"):
        command._begin(goes_on=True)


@pytest.mark.usefixtures("library")
def test_one_seed_runs_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.faults", "--seed", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("just faults --seed 5 ")
    assert done.stdout.endswith(": all kept\n")


# What is published


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_say_what_was_found(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<!-- faults: " in text
    assert quote(text, load_totals()) == text


def test_what_is_published_is_a_long_run_without_a_loss() -> None:
    totals = load_totals()
    assert totals.seeds >= 1_000
    assert (totals.lost, totals.twice, totals.bad) == (0, 0, 0)
    assert (totals.lost_beside, totals.twice_beside, totals.bad_beside) == (0, 0, 0)
