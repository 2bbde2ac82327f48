"""Sends reads one after the other, the kinds in turns, and sums up what they took."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, product
from typing import NamedTuple, TypeVar

from tests.bench.client import Client
from tests.bench.plan import Plan
from tests.bench.reads import COUNTED_NS, Kind
from tests.bench.results import Read, Spread, percentile

Place = TypeVar("Place")

WARM_UPS = 10
"""Requests of each kind before those that are measured."""


class Sample(NamedTuple):
    """One read."""

    status: int
    seconds: float
    total: int | None
    """What the answer counts, where it does."""


Rounds = list[list[Sample]]


def sample_in_turns(
    served: Mapping[Place, tuple[Client, Sequence[Kind]]], plan: Plan, begin: Callable[[str], None]
) -> dict[Place, dict[str, Rounds]]:
    """`plan.reads` samples of each kind, fewer of a slow one; by place, and by the kind's name.

    All places have the same kinds. The place changes fastest: what drifts, drifts for all.
    """
    paths = {
        (place, kind.name): (client, cycle(kind.paths))
        for place, (client, kinds) in served.items()
        for kind in kinds
    }
    names = dict.fromkeys(name for _, name in paths)
    found: dict[Place, dict[str, Rounds]] = {
        place: {name: [] for name in names} for place in served
    }
    seconds_max = plan.read_seconds_max / plan.read_rounds
    for client, of_kind in paths.values():
        _take(client, of_kind, WARM_UPS, seconds_max)
    for number, name, place in product(range(plan.read_rounds), names, served):
        begin(f"{name}, round {number + 1}")
        client, of_kind = paths[place, name]
        wanted = plan.reads // plan.read_rounds
        found[place][name].append(_take(client, of_kind, wanted, seconds_max))
    return found


def sample(
    client: Client, kinds: Sequence[Kind], plan: Plan, begin: Callable[[str], None]
) -> dict[str, Rounds]:
    """As `sample_in_turns`, of one place."""
    return sample_in_turns({"": (client, kinds)}, plan, begin)[""]


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
