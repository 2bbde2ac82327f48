"""The published results of the crashes of PostgreSQL."""

from pathlib import Path

import msgspec
import pytest

from tests.faults.postgres.results import PAGES, load_totals, quote, render


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_say_what_was_found(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<!-- crashes: postgres -->" in text
    assert quote(text, load_totals()) == text


def test_what_is_published_is_a_long_run_without_a_loss() -> None:
    totals = load_totals()
    assert totals.found.crashes >= 20
    assert totals.found.acknowledged > 1_000
    assert totals.found.is_good


def test_totals_hide_nothing() -> None:
    totals = load_totals()
    found = msgspec.structs.replace(
        totals.found, lost=["a", "b"], twice=["c"], complaints=["strange"], unanswered=7
    )
    assert not found.is_good
    shown = render(msgspec.structs.replace(totals, found=found))
    for row in (
        "| lost | 2 |",
        "| there twice | 1 |",
        "| anything else wrong | 1 |",
        "| webhooks: any other answer but 200, or none | 7 |",
    ):
        assert row in shown
