"""Sends reads one after the other, the kinds in turns, and sums up what they took."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

from tests.bench.client import Client
from tests.bench.plan import Plan
from tests.bench.reads import COUNTED_NS, Kind
from tests.bench.results import Read, Spread, percentile

WARM_UPS = 10
"""Requests of each kind before those that are measured."""


class Sample(NamedTuple):
    """One read."""

    status: int
    seconds: float
    total: int | None
    """What the answer counts, where it does."""


Rounds = list[list[Sample]]


def sample(
    client: Client, kinds: Sequence[Kind], plan: Plan, begin: Callable[[str], None]
) -> dict[str, Rounds]:
    """`plan.reads` samples of each kind, fewer of a slow one; by the kind's name."""
    paths = {kind.name: cycle(kind.paths) for kind in kinds}
    found: dict[str, Rounds] = {name: [] for name in paths}
    seconds_max = plan.read_seconds_max / plan.read_rounds
    for of_kind in paths.values():
        _take(client, of_kind, WARM_UPS, seconds_max)
    for number in range(plan.read_rounds):
        for name, of_kind in paths.items():
            begin(f"{name}, round {number + 1}")
            wanted = plan.reads // plan.read_rounds
            found[name].append(_take(client, of_kind, wanted, seconds_max))
    return found


def sample_for(client: Client, paths: Sequence[str], seconds: float) -> Rounds:
    """As many samples as there is time for."""
    return [_take(client, cycle(paths), None, seconds)]


def summarize(messages: int, beside: str, name: str, rounds: Rounds) -> Read:
    """What one kind of read took, on a database of so many messages."""
    samples = [one for of_round in rounds for one in of_round]
    good = [one for one in samples if one.status == 200]
    totals = [one.total for one in good if one.total is not None]
    uncounted = [
        one.seconds * 1_000 - one.total * COUNTED_NS / 1e6 for one in good if one.total is not None
    ]
    costs = [one.seconds * 1e9 / one.total for one in good if one.total]
    return Read(
        messages=messages,
        name=name,
        beside=beside,
        requests=len(samples),
        refused=len(samples) - len(good),
        p50_ms=_percentile_ms(rounds, 50),
        p95_ms=_percentile_ms(rounds, 95),
        p99_ms=_percentile_ms(rounds, 99),
        max_ms=max(one.seconds for one in samples) * 1_000,
        total=statistics.median(totals) if totals else None,
        ns_per_counted=statistics.median(costs) if costs else None,
        p99_uncounted_ms=percentile(uncounted, 99) if uncounted else None,
    )


def _take(client: Client, paths: Iterator[str], count: int | None, seconds: float) -> list[Sample]:
    """At least one sample, at most `count`, and no more once `seconds` have passed."""
    deadline = time.monotonic() + seconds
    samples: list[Sample] = []
    while not samples or (len(samples) != count and time.monotonic() < deadline):
        answer = client.get(next(paths))
        total = answer.json().get("total") if answer.status == 200 else None
        samples.append(Sample(answer.status, answer.seconds, total))
    return samples


def _percentile_ms(rounds: Rounds, percent: float) -> Spread | None:
    """Of all good samples; the least and the most are those of the rounds."""
    by_round = [[one.seconds * 1_000 for one in r if one.status == 200] for r in rounds]
    by_round = [values for values in by_round if values]
    if not by_round:
        return None
    of_rounds = Spread.of([percentile(values, percent) for values in by_round])
    of_all = percentile([value for values in by_round for value in values], percent)
    return Spread(of_all, of_rounds.least, of_rounds.most, of_rounds.runs)
