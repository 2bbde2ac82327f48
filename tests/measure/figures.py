"""One figure from several runs."""

import math
import statistics
from collections.abc import Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """The median of several runs, their range, and the runs themselves."""

    median: float
    least: float
    most: float
    runs: list[float]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        runs = [float(f"{value:.6g}") for value in values]
        return cls(statistics.median(runs), min(runs), max(runs), runs)

    @classmethod
    def of_ratios(cls, values: "Spread", bases: "Spread") -> "Spread":
        """Each run divided by the run of the same turn."""
        return cls.of([one / base for one, base in zip(values.runs, bases.runs, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that is not below `percent` of them."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
