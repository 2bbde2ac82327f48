"""`just faults`: what it sums up, publishes and prints."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from tests.faults.__main__ import sum_up, sum_up_crashes
from tests.faults.postgres.crashes import Crashes
from tests.faults.report import ACKNOWLEDGED, POSTGRES, SQLITE, FaultRun, render_blocks
from tests.faults.suite import Result
from tests.faults.sweep import Found
from tests.measure import pages
from tests.measure.results import load
from tests.support.service import ROOT

GOOD = Result(3, "load", 1, "after 7 of 9 operations, nothing", 10, [], [], [])
BAD = Result(4, "again", 2, "after 8 of 9 operations, pages", 20, ["m-1"], ["m-2"], ["not ready"])


def test_totals_hide_nothing() -> None:
    good = {one.what: one for one in sum_up([GOOD], Found(5, 1_000, 7, 0, 0, []))}
    assert all(one.is_kept for one in good.values())
    assert good[ACKNOWLEDGED].measured == 10
    bad = sum_up([GOOD, BAD], Found(5, 1_000, 7, 1, 1, ["strange"]))
    assert {one.what: one.measured for one in bad if not one.is_kept} == {
        "lost": 1,
        "stored twice": 1,
        "seeds with anything wrong": 1,
        "of the 200s lost, or stored twice": 2,
        "anything else wrong meanwhile": 1,
    }


def test_totals_of_postgres_hide_nothing() -> None:
    fields: dict[str, Any] = dict.fromkeys(Crashes.__struct_fields__, 0)
    for name in ("lost", "twice", "complaints"):
        fields[name] = []
    found = msgspec.convert(fields, Crashes)
    assert all(one.is_kept for one in sum_up_crashes(found, "17"))
    bad = {"lost": ["a", "b"], "twice": ["c"], "complaints": ["strange"], "unanswered": 7}
    findings = sum_up_crashes(msgspec.structs.replace(found, **bad), "17")
    assert [one.measured for one in findings if not one.is_kept] == [2, 1, 1, 7]


def test_a_bad_seed_says_how_to_run_it_again() -> None:
    assert (GOOD.is_good, BAD.is_good) == (True, False)
    told = str(BAD)
    assert told.startswith("just faults --seed 4 ")
    for wrong in ("lost m-1", "twice m-2", "not ready"):
        assert wrong in told


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


def test_the_pages_say_what_was_published() -> None:
    assert pages.stale("faults", render_blocks()) == []


def test_what_is_published_is_a_long_run_without_a_loss() -> None:
    power, kills = load(SQLITE, FaultRun), load(POSTGRES, FaultRun)
    assert power.is_good
    assert kills.is_good
    assert power.findings[0].measured >= 1_000
    assert kills.findings[0].measured >= 20
