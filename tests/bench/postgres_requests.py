"""Webhooks that differ in nothing but whose they are."""

import random
import uuid
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from service.messages.instants import format_instant
from tests.bench import dataset
from tests.bench.load import (
    JITTER_MICROSECONDS,
    MICROSECONDS_APART,
    RECIPIENTS,
    TEXTS,
    _encode,
    _requests_file,
)
from tests.bench.watch import Watch

ONE, ZIPF, DIFFERENT = "one", "Zipf", "different"
SENDERS = (ONE, ZIPF, DIFFERENT)
"""All of one sender, of the senders that `dataset` has, each of another."""

CHOSEN_AT_ONCE = 10_000


def requests_of_senders(kind: str, count: int, instance: int, watch: Watch) -> Path:
    """A file of `count` short webhooks; each `instance` has messages of its own."""
    bodies = _bodies(kind, count, instance)
    return _requests_file(f"senders-{kind}-{instance}", count, bodies, watch)


def _bodies(kind: str, count: int, instance: int) -> Iterator[bytes]:
    chosen = random.Random(100 + instance)
    senders = _senders(kind, chosen)
    for number in range(count):
        late = chosen.randrange(JITTER_MICROSECONDS)
        yield _encode(
            str(uuid.UUID(int=chosen.getrandbits(128), version=4)),
            next(senders),
            f"+1800555{chosen.randrange(RECIPIENTS):04d}",
            format_instant(dataset.END + number * MICROSECONDS_APART + late),
            chosen.choice(TEXTS),
        )


def _senders(kind: str, chosen: random.Random) -> Iterator[str]:
    weights = list(accumulate(1 / (rank + 1) for rank in range(dataset.SENDERS)))
    while True:
        if kind == ONE:
            yield dataset.sender(0)
        elif kind == DIFFERENT:
            yield f"+1{chosen.randrange(10**13):013d}"
        else:
            ranks = chosen.choices(range(dataset.SENDERS), cum_weights=weights, k=CHOSEN_AT_ONCE)
            yield from map(dataset.sender, ranks)
