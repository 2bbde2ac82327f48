"""The counts and latencies of the answers, in constant memory."""

from array import array
from collections import Counter

DETAIL_CHARACTERS = 200

STEP_BITS = 7
"""Each power of two of microseconds is divided into 128 steps, so a step is at most 1/128 wide."""
MICROSECONDS_BITS = 40
"""The longest latency is 2**40 microseconds, 12 days."""


class Latencies:
    """A histogram like HdrHistogram: every percentile is right to 0.8 %.

    It has one counter for each step: 35 kB in all.
    """

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * (_step((1 << MICROSECONDS_BITS) - 1) + 1)))
        self.count = 0
        self.max_seconds = 0.0

    def record(self, seconds: float) -> None:
        microseconds = min(max(int(seconds * 1e6), 0), (1 << MICROSECONDS_BITS) - 1)
        self._counts[_step(microseconds)] += 1
        self.count += 1
        self.max_seconds = max(self.max_seconds, seconds)

    def percentile_seconds(self, percent: float) -> float:
        """The latency that `percent` of all did not exceed; 0 if there are none."""
        wanted, seen = self.count * percent / 100, 0
        for step, count in enumerate(self._counts):
            seen += count
            if seen and seen >= wanted:
                return min(_step_end(step) / 1e6, self.max_seconds)
        return 0.0


def _step(microseconds: int) -> int:
    """The number of the step that holds this value; the first 256 are exact."""
    shift = max(0, microseconds.bit_length() - STEP_BITS - 1)
    return (shift << STEP_BITS) + (microseconds >> shift)


def _step_end(step: int) -> int:
    """The first value past this step."""
    shift = max(0, (step >> STEP_BITS) - 1)
    return (step - (shift << STEP_BITS) + 1) << shift


class Tally:
    """The counts of one run."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.details: dict[int, str] = {}
        self.latencies = Latencies()
        self.repeats = 0

    @property
    def sent(self) -> int:
        """How many deliveries have ended, with an answer or without."""
        return self.latencies.count + self.errors.total()

    @property
    def all_ok(self) -> bool:
        """Whether every delivery was answered 200."""
        return self.statuses[200] == self.sent

    def answered(self, status: int, latency_seconds: float) -> None:
        self.statuses[status] += 1
        self.latencies.record(latency_seconds)

    def explained(self, status: int, detail: str) -> None:
        """Keep `detail` if it is the first explanation of this status."""
        printable = "".join(c if c.isprintable() else "?" for c in detail[:DETAIL_CHARACTERS])
        self.details.setdefault(status, printable)

    def failed(self, kind: str) -> None:
        """Count a delivery that got no answer."""
        self.errors[kind] += 1
