"""Every Prometheus metric, its label values listed beside it.

No label takes a value from a client's bytes: methods and paths that are not known have one value
between them. Every series of a fixed set is there, at zero, before its first event (`rate()` misses
the first event of a series that begins with it).

What every request touches is counted in a row of plain numbers (`telemetry.scoreboard`), and
turned into metric families when it is scraped: prometheus_client's own children take a lock and
walk their buckets, 5 µs a webhook against 1, and its own way to share them among processes shows
nothing of the processes themselves.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from service.telemetry import process_metrics
from service.telemetry.histogram import Histogram
from service.telemetry.process_metrics import ProcessMetrics
from service.telemetry.scoreboard import Scoreboard

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER_METHOD = "other"
UNMATCHED_PATH = "unmatched"

STATUSES = (200, 400, 401, 404, 405, 408, 413, 422, 431, 499, 500, 503)
"""Every status that the service gives."""

OTHER_STATUS = 0
OTHER_STATUS_LABEL = "other"

WEBHOOK_RESULTS = (
    "created",
    "duplicate",
    "invalid_signature",
    "validation_error",
    "too_large",
    "unavailable",
)
DATABASE_FILES = ("main", "wal", "index", "index_wal")
"""Of these, a PostgreSQL server tells the first."""

REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0)
BATCH_MESSAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one service, in a registry of their own.

    Where several processes are one service, each has a row of the scoreboard, `row`; whichever is
    asked speaks for all. A process that takes the place of another goes on in its row: a counter
    that stepped back would be a restart to Prometheus.
    """

    def __init__(
        self, paths: tuple[str, ...], scoreboard: Scoreboard | None = None, row: int = 0
    ) -> None:
        self._scoreboard = scoreboard or Scoreboard()
        self._row = self._scoreboard.rows[row]
        self._reserved = 0
        self._paths = (*paths, UNMATCHED_PATH)
        self._request_seconds = {
            (method, path): self._create_histogram(REQUEST_SECONDS)
            for method in (*METHODS, OTHER_METHOD)
            for path in self._paths
        }
        self._requests = {
            (method, path, status): (self._reserve(), histogram)
            for (method, path), histogram in self._request_seconds.items()
            for status in (*STATUSES, OTHER_STATUS)
        }
        self._webhook_results = {result: self._reserve() for result in WEBHOOK_RESULTS}
        self._conflicts = self._reserve()
        self._connections_refused = self._reserve()
        self._lines_dropped = self._reserve()
        self._lines_dropped_before = self._row[self._lines_dropped]
        self._count_lines_dropped: Callable[[], int] = int
        self.batch_messages = self._create_histogram(BATCH_MESSAGES)
        self.commit_seconds = self._create_histogram(COMMIT_SECONDS)
        self._queue = self._reserve()
        self._index_lag = self._reserve()
        self._connections = self._reserve()
        self._gauges: dict[int, Callable[[], int]] = {}
        processes = self._reserve(process_metrics.VALUES)
        self._processes = ProcessMetrics(self._scoreboard, row, processes)
        self.registry = registry = CollectorRegistry()
        registry.register(self)
        self._engine: Callable[[], str] = str
        self._database_bytes: Callable[[], Mapping[str, int]] = dict

    def _reserve(self, values: int = 1) -> int:
        """Where the next values of a row lie: at the same place in every process."""
        offset = self._reserved
        self._reserved += values
        if self._reserved > len(self._row):
            raise ValueError("a row of the scoreboard has no room for all metrics: ROW_VALUES")
        return offset

    def _create_histogram(self, bounds: Sequence[float]) -> Histogram:
        return Histogram(self._row, self._reserve(len(bounds) + 2), bounds)

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request. `method` and `path` are as the client wrote them."""
        series = self._requests.get((method, path, status))
        if series is None:
            method = method if method in METHODS else OTHER_METHOD
            path = path if path in self._paths else UNMATCHED_PATH
            status = status if status in STATUSES else OTHER_STATUS
            series = self._requests[method, path, status]
        count, histogram = series
        self._row[count] += 1
        histogram.observe(seconds)

    def count_webhook(self, result: str) -> None:
        """Count what became of one webhook: one of `WEBHOOK_RESULTS`."""
        self._row[self._webhook_results[result]] += 1

    def count_conflict(self) -> None:
        self._row[self._conflicts] += 1

    def count_refused_connection(self) -> int:
        """Gives how many this process, and those it took the place of, have refused."""
        self._row[self._connections_refused] += 1
        return int(self._row[self._connections_refused])

    def watch_queue(self, messages_waiting: Callable[[], int]) -> None:
        """Read the gauge of waiting messages where they wait."""
        self._gauges[self._queue] = messages_waiting

    def watch_index(self, messages_behind: Callable[[], int]) -> None:
        """Read the gauge of messages that are not indexed where they are indexed."""
        self._gauges[self._index_lag] = messages_behind

    def watch_connections(self, connections_open: Callable[[], int]) -> None:
        """Read the gauge of connections where they are kept."""
        self._gauges[self._connections] = connections_open

    def watch_log(self, lines_dropped: Callable[[], int]) -> None:
        """Read the count of lost log lines where they are lost."""
        self._count_lines_dropped = lines_dropped

    def watch_database(
        self, engine: Callable[[], str], database_bytes: Callable[[], Mapping[str, int]]
    ) -> None:
        """Read the database's name, version and size where they are known."""
        self._engine = engine
        self._database_bytes = database_bytes

    def publish(self) -> None:
        """Write into the row what is not counted there: what is read where it is kept."""
        for offset, read in list(self._gauges.items()):
            self._row[offset] = read()
        dropped = self._lines_dropped_before + self._count_lines_dropped()
        self._row[self._lines_dropped] = dropped
        self._processes.publish()

    def retire(self, row: int, processor_seconds: float) -> float:
        """Forget of a process that has ended what ended with it, and nothing that was counted.

        `processor_seconds` is what it and those it took the place of have used; gives what the row
        holds for that.
        """
        for gauge in (self._queue, self._index_lag, self._connections):
            self._scoreboard.rows[row][gauge] = 0
        return self._processes.retire(row, processor_seconds)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at each scrape, from a thread of its own."""
        self.publish()
        sums = self._scoreboard.add_up(self._reserved)
        yield self._collect_requests(sums)
        yield self._collect_request_seconds(sums)
        webhooks = CounterMetricFamily(
            "webhook_requests",
            "Webhooks, by what became of them: " + ", ".join(WEBHOOK_RESULTS),
            labels=["result"],
        )
        for result, offset in self._webhook_results.items():
            webhooks.add_metric([result], sums[offset])
        yield webhooks
        yield CounterMetricFamily(
            "webhook_conflicts",
            "Duplicates whose other fields differ from what is stored (the first one won)",
            value=sums[self._conflicts],
        )
        batches = HistogramMetricFamily("ingest_batch_messages", "Messages that shared one commit")
        self.batch_messages.add_to(batches, sums)
        yield batches
        commits = HistogramMetricFamily(
            "ingest_commit_duration_seconds",
            "One group commit, from handing it to the database to its return from stable storage",
        )
        self.commit_seconds.add_to(commits, sums)
        yield commits
        yield CounterMetricFamily(
            "http_connections_refused",
            "Connections answered 503 because too many were open",
            value=sums[self._connections_refused],
        )
        yield CounterMetricFamily(
            "log_lines_dropped",
            "Log lines lost because standard output was not read",
            value=sums[self._lines_dropped],
        )
        yield GaugeMetricFamily(
            "ingest_queue_messages",
            "Messages that wait for their commit",
            value=sums[self._queue],
        )
        yield GaugeMetricFamily(
            "index_lag_messages",
            "Messages that are stored and found, and not in the index yet: reads look through them",
            # All processes look at one index, each at a moment of its own.
            value=max(row[self._index_lag] for row in self._scoreboard.rows),
        )
        yield GaugeMetricFamily(
            "http_connections", "Connections that are open", value=sums[self._connections]
        )
        yield from self._processes.collect()
        yield from self._collect_database()

    def _collect_database(self) -> Iterator[Metric]:
        sizes = GaugeMetricFamily(
            "database_bytes",
            "Size of the database's files: " + ", ".join(DATABASE_FILES),
            labels=["file"],
        )
        for name, size in self._database_bytes().items():
            sizes.add_metric([name], size)
        yield sizes
        build = GaugeMetricFamily(
            "service_build_info",
            "Always 1: what runs here",
            labels=["version", "python", "database"],
        )
        here = [version("webhook-service"), platform.python_version(), self._engine()]
        build.add_metric(here, 1)
        yield build

    def _collect_requests(self, sums: Sequence[float]) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "http_requests",
            "Requests answered; 499: the client left first",
            labels=["method", "path", "status"],
        )
        for (method, path, status), (count, _) in self._requests.items():
            if sums[count]:
                label = str(status) if status != OTHER_STATUS else OTHER_STATUS_LABEL
                family.add_metric([method, path, label], sums[count])
        return family

    def _collect_request_seconds(self, sums: Sequence[float]) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "http_request_duration_seconds",
            "From the request's head to the end of its answer",
            labels=["method", "path"],
        )
        for labels, histogram in self._request_seconds.items():
            if histogram.has_counted(sums):
                histogram.add_to(family, sums, labels)
        return family
