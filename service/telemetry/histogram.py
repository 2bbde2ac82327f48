"""A histogram as Prometheus has it, whose numbers lie in a row of the scoreboard."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from service.telemetry.scoreboard import Row


class Histogram:
    """Counts values by bucket; `bounds` are the upper ends, inclusive, and +Inf comes behind.

    In the row it takes, from `offset` on, a number a bucket, and one for the sum of the values.
    """

    def __init__(self, row: Row, offset: int, bounds: Sequence[float]) -> None:
        self._row = row
        self._offset = offset
        self._sum = offset + len(bounds) + 1
        self._bounds = bounds

    def observe(self, value: float) -> None:
        row = self._row
        row[self._offset + bisect_left(self._bounds, value)] += 1
        row[self._sum] += value

    def has_counted(self, values: Sequence[float]) -> bool:
        """Whether there is anything of it in `values`, which are a row, or the sum of some."""
        return any(values[self._offset : self._sum])

    def add_to(
        self,
        family: HistogramMetricFamily,
        values: Sequence[float],
        labels: Sequence[str] = (),
    ) -> None:
        """Add what is in `values` to a metric family: cumulated buckets."""
        bounds = (*self._bounds, float("inf"))
        ends = [floatToGoString(bound) for bound in bounds]  # type: ignore[no-untyped-call]
        buckets = list(zip(ends, accumulate(values[self._offset : self._sum]), strict=True))
        family.add_metric(labels, buckets, values[self._sum])
