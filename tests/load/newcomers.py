"""Senders with one webhook and one connection each, who come during an overload and after it."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.load.traffic import Probe, meanwhile, probe
from tests.measure.figures import percentile
from tests.measure.findings import Finding, at_most, exactly, told

AT_A_TIME = 8
PAUSE_SECONDS = 0.2
REFUSED_MS_MAX = 1_000

QUIET_PROBES = 200
WATCHED_SECONDS = 5
NORMAL_IN_A_ROW = 20


@contextmanager
def arriving(port: int) -> Iterator[list[Probe]]:
    """Newcomers inside the context; the list has what became of them."""
    found: list[Probe] = []

    def arrive(is_over: Callable[[], bool]) -> None:
        while not is_over():
            found.append(probe(port))
            time.sleep(PAUSE_SECONDS)

    with meanwhile(AT_A_TIME, arrive):
        yield found


def describe(newcomers: Sequence[Probe]) -> list[Finding]:
    """Each gets 200, or 503 at once."""
    accepted = [one for one in newcomers if one.status == 200]
    refused = [one for one in newcomers if one.status == 503]
    others = len(newcomers) - len(accepted) - len(refused)
    return [
        told("newcomers", len(newcomers)),
        exactly("newcomers without 200 or 503", others, 0),
        exactly("their 503 without Retry-After", sum(not one.says_when for one in refused), 0),
        at_most("their 503, p99", _p99_ms(refused), "ms", REFUSED_MS_MAX),
        told("their 200, p99", _p99_ms(accepted), "ms"),
    ]


def probe_quiet(port: int) -> list[Probe]:
    """Before an overload."""
    return [probe(port) for _ in range(QUIET_PROBES)]


def watch_recovery(port: int) -> list[Probe]:
    """After an overload."""
    deadline = time.monotonic() + WATCHED_SECONDS
    found = []
    while time.monotonic() < deadline:
        found.append(probe(port))
    return found


def recovery_seconds(quiet: Sequence[Probe], after: Sequence[Probe], ended: float) -> float:
    """From the end of the overload to the last of 20 probes in a row that are as before.

    As before: answered 200, within twice the p99 of the quiet probes. Infinite if there are none.
    """
    slow = 2 * percentile([one.seconds for one in quiet], 99)
    in_a_row = 0
    for one in after:
        in_a_row = in_a_row + 1 if one.status == 200 and one.seconds <= slow else 0
        if in_a_row == NORMAL_IN_A_ROW:
            return one.ended_at - ended
    return math.inf


def _p99_ms(probes: Sequence[Probe]) -> float:
    return percentile([one.seconds for one in probes], 99) * 1_000 if probes else 0
