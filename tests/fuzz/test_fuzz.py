"""The targets of `just fuzz`, briefly: seeds, earlier finds, and inputs near the seeds."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.messages.page import Query
from service.errors import InvalidMessage
from service.store.interface import INSTANT_MAX, Filter, Position
from tests.fuzz.__main__ import FOUND
from tests.fuzz.connection import Exchange
from tests.fuzz.targets import TARGETS
from tests.support.service import ROOT


@st.composite
def near(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed after up to four edits."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 8))
        data = data[:start] + draw(st.binary(max_size=8)) + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_all_that_was_found(name: str) -> None:
    found = [file.read_bytes() for file in FOUND.glob(f"{name}-*")]
    for data in TARGETS[name].seeds + found:
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_what_is_near(name: str) -> None:
    @settings(max_examples=400, deadline=None)
    @given(st.binary() | near(TARGETS[name].seeds))
    def check(data: bytes) -> None:
        TARGETS[name].run(data)

    check()


def refuse(_body: bytes) -> None:
    raise InvalidMessage("text must be another")


@pytest.mark.parametrize(
    ("name", "function", "broken"),
    [
        ("message", "decode_message", refuse),
        ("providers", "providers.extract", lambda *_: ((), "text must")),
        ("signature", "verify", lambda *_: 0),
        ("query", "parse_query", lambda _: Query(Filter(), None, 0, 0, True)),
        ("cursor", "decode_cursor", lambda *_: Position(INSTANT_MAX + 1, "")),
        ("form", "sources.split_form", lambda _: [("a", "b")]),
        ("scheme-github", "sources.judge", lambda *_: 0),
        ("scheme-twilio", "sources.judge", lambda *_: "mismatch"),
        ("connection", "exchange", lambda pieces: Exchange([], is_open=len(list(pieces)) == 1)),
    ],
)
def test_a_target_can_fail(
    monkeypatch: pytest.MonkeyPatch, name: str, function: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(f"tests.fuzz.targets.{function}", broken)
    with pytest.raises(AssertionError):
        test_a_target_holds_for_all_that_was_found(name)


@pytest.mark.fuzz
def test_atheris_fuzzes_every_target() -> None:
    pytest.importorskip(
        "atheris", reason="atheris has no wheel for this machine: nothing is fuzzed"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seconds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, *rows = done.stdout.splitlines()
    tried = {row.split()[0]: int(row.split()[1].replace(",", "")) for row in rows}
    assert tried.keys() == TARGETS.keys()
    assert all(count > 100 for count in tried.values())
