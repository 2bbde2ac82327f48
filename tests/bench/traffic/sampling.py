"""Sends reads one after the other, the kinds in turns, and sums up what they took."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, product
from typing import NamedTuple, TypeVar

import msgspec

from tests.bench.plan import Plan
from tests.bench.traffic.client import Client
from tests.bench.traffic.reads import BARS, EVENT_BARS, Kind
from tests.measure.figures import Spread, percentile

Place = TypeVar("Place")

ALL_BARS = BARS | EVENT_BARS

WARM_UPS = 10
"""Requests of each kind before those that are measured."""


class Sample(NamedTuple):
    """One read."""

    status: int
    ms: float
    total: int | None
    """What the answer counts, if it counts."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of read on a database of so many `messages`, or events."""

    messages: int
    name: str
    beside: str
    """"idle", "ingest" or, if databases are compared, the kind of the database."""
    requests: int
    refused: int
    """Answers other than 200, which are in no figure."""
    p50_ms: Spread | None
    """Of all requests; the range is that of the turns."""
    p99_ms: Spread | None
    max_ms: float
    held_ms: float | None
    """p99 without what the bar allows for each message counted."""

    @property
    def is_kept(self) -> bool | None:
        """Whether it keeps to its bar; None: it has none."""
        if self.name not in ALL_BARS:
            return None
        return not self.refused and (self.held_ms or 0) <= ALL_BARS[self.name].ms


Turns = list[list[Sample]]


def sample_in_turns(
    served: Mapping[Place, tuple[Client, Sequence[Kind]]], plan: Plan, begin: Callable[[str], None]
) -> dict[tuple[Place, str], Turns]:
    """`plan.reads` samples of each kind, fewer of a slow one, by place and by the kind's name.

    All places have the same kinds. The place changes fastest.
    """
    paths = {
        (place, kind.name): (client, cycle(kind.paths))
        for place, (client, kinds) in served.items()
        for kind in kinds
    }
    found: dict[tuple[Place, str], Turns] = {key: [] for key in paths}
    seconds_max = plan.read_seconds_max / plan.read_turns
    for client, of_kind in paths.values():
        _take(client, of_kind, WARM_UPS, seconds_max)
    names = dict.fromkeys(name for _, name in paths)
    for turn, name, place in product(range(plan.read_turns), names, served):
        begin(f"{name}, turn {turn + 1}")
        wanted = plan.reads // plan.read_turns
        found[place, name].append(_take(*paths[place, name], wanted, seconds_max))
    return found


def sample_for(client: Client, paths: Sequence[str], seconds: float) -> list[Sample]:
    """As many samples as there is time for."""
    return _take(client, cycle(paths), None, seconds)


def summarize(messages: int, beside: str, name: str, turns: Turns) -> Read:
    """What one kind of read took on a database of so many messages."""
    samples = [sample for turn in turns for sample in turn]
    good = [sample for sample in samples if sample.status == 200]
    counted_ns = ALL_BARS[name].counted_ns if name in ALL_BARS else 0
    held = [sample.ms - (sample.total or 0) * counted_ns / 1e6 for sample in good]
    return Read(
        messages=messages,
        name=name,
        beside=beside,
        requests=len(samples),
        refused=len(samples) - len(good),
        p50_ms=_percentile(turns, 50),
        p99_ms=_percentile(turns, 99),
        max_ms=max(sample.ms for sample in samples),
        held_ms=percentile(held, 99) if held else None,
    )


def _take(client: Client, paths: Iterator[str], count: int | None, seconds: float) -> list[Sample]:
    """At least one sample, at most `count`, and no more once `seconds` have passed."""
    deadline = time.monotonic() + seconds
    samples: list[Sample] = []
    while not samples or (len(samples) != count and time.monotonic() < deadline):
        answer = client.get(next(paths))
        total = answer.json().get("total") if answer.status == 200 else None
        samples.append(Sample(answer.status, answer.seconds * 1_000, total))
    return samples


def _percentile(turns: Turns, percent: float) -> Spread | None:
    by_turn = [[sample.ms for sample in turn if sample.status == 200] for turn in turns]
    by_turn = [values for values in by_turn if values]
    if not by_turn:
        return None
    of_turns = Spread.of([percentile(values, percent) for values in by_turn])
    of_all = percentile([value for values in by_turn for value in values], percent)
    return Spread(of_all, of_turns.least, of_turns.most, of_turns.runs)
