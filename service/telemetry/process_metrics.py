"""The metrics that every Prometheus user knows of a process, for all processes of the service."""

import threading
from collections.abc import Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.telemetry.scoreboard import Scoreboard

PROCESSOR_SECONDS = "process_cpu_seconds"
START_TIME = "process_start_time_seconds"
NAMES = (
    PROCESSOR_SECONDS,
    START_TIME,
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
)
VALUES = len(NAMES)


class ProcessMetrics:
    """What prometheus_client measures of each process, added up; the start is that of the first.

    A process that ends leaves its processor time behind: a counter never steps back.
    """

    def __init__(self, scoreboard: Scoreboard, row: int, offset: int) -> None:
        self._rows = scoreboard.rows
        self._row = scoreboard.rows[row]
        self._offsets = {name: offset + index for index, name in enumerate(NAMES)}
        self._processor = self._offsets[PROCESSOR_SECONDS]
        self._seconds_before = self._row[self._processor]
        self._collector = ProcessCollector(registry=None)
        self._publishing = threading.Lock()

    def publish(self) -> None:
        """Measure this process, and write it into its row."""
        with self._publishing:
            for family in self._collector.collect():
                value = family.samples[0].value
                if family.name == PROCESSOR_SECONDS:
                    value += self._seconds_before
                self._row[self._offsets[family.name]] = value

    def retire(self, row: int, seconds: float) -> float:
        """Forget a process that has ended, but not its processor time, which was `seconds` in all.

        Only its parent knows that: what the process itself has written is a moment old. Gives what
        the row says now, which is never less than before.
        """
        ended = self._rows[row]
        for name in NAMES[1:]:
            ended[self._offsets[name]] = 0
        ended[self._processor] = max(ended[self._processor], seconds)
        return ended[self._processor]

    def collect(self) -> Iterator[Metric]:
        """The sums, of what this system tells of a process (nothing, where there is no /proc)."""
        for family in self._collector.collect():
            values = [row[self._offsets[family.name]] for row in self._rows]
            if family.name == PROCESSOR_SECONDS:
                yield CounterMetricFamily(family.name, family.documentation, value=sum(values))
            elif family.name == START_TIME:
                first = min(filter(None, values))
                yield GaugeMetricFamily(family.name, family.documentation, value=first)
            else:
                yield GaugeMetricFamily(family.name, family.documentation, value=sum(values))
