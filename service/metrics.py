"""Every Prometheus metric, its label values listed beside it.

No label takes a value from a client's bytes: methods and paths that are not known have one value
between them. Every series of a fixed set is there, at zero, before its first event (`rate()` misses
the first event of a series that begins with it).

What every request touches is counted in plain integers and lists, and turned into metric families
when it is scraped: prometheus_client's own children take a lock and walk their buckets, 5 µs a
webhook against 1.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER_METHOD = "other"
UNMATCHED_PATH = "unmatched"

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


class Histogram:
    """Counts values by bucket; `bounds` are the upper ends, inclusive, and +Inf comes behind."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Add the cumulated buckets, as Prometheus has them, to a metric family."""
        counts, total = list(self._counts), 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
            total += count
            buckets.append((floatToGoString(bound), total))  # type: ignore[no-untyped-call]
        family.add_metric(labels, buckets, self._sum)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = frozenset(paths)
        self._requests: dict[tuple[str, str, int], int] = {}
        self._request_seconds: dict[tuple[str, str], Histogram] = {}
        self.webhook_results = dict.fromkeys(WEBHOOK_RESULTS, 0)
        self.conflicts = 0
        self.connections_refused = 0
        self.batch_messages = Histogram(BATCH_MESSAGES)
        self.commit_seconds = Histogram(COMMIT_SECONDS)
        self.registry = registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        self._queue = Gauge(
            "ingest_queue_messages", "Messages that wait for their commit", registry=registry
        )
        self._index_lag = Gauge(
            "index_lag_messages",
            "Messages that are stored and found, and not in the index yet: reads look through them",
            registry=registry,
        )
        self._connections = Gauge(
            "http_connections", "Connections that are open", registry=registry
        )
        self._lines_dropped: Callable[[], int] = int
        self._engine: Callable[[], str] = str
        self._database_bytes: Callable[[], Mapping[str, int]] = dict

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request. `method` and `path` are as the client wrote them."""
        method = method if method in METHODS else OTHER_METHOD
        path = path if path in self._paths else UNMATCHED_PATH
        key = (method, path, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._request_seconds.get((method, path))
        if histogram is None:
            histogram = self._request_seconds[method, path] = Histogram(REQUEST_SECONDS)
        histogram.observe(seconds)

    def watch_queue(self, messages_waiting: Callable[[], int]) -> None:
        """Read the gauge of waiting messages where they wait."""
        self._queue.set_function(messages_waiting)

    def watch_index(self, messages_behind: Callable[[], int]) -> None:
        """Read the gauge of messages that are not indexed where they are indexed."""
        self._index_lag.set_function(messages_behind)

    def watch_connections(self, connections_open: Callable[[], int]) -> None:
        """Read the gauge of connections where they are kept."""
        self._connections.set_function(connections_open)

    def watch_log(self, lines_dropped: Callable[[], int]) -> None:
        """Read the count of lost log lines where they are lost."""
        self._lines_dropped = lines_dropped

    def watch_database(
        self, engine: Callable[[], str], database_bytes: Callable[[], Mapping[str, int]]
    ) -> None:
        """Read the database's name, version and size where they are known."""
        self._engine = engine
        self._database_bytes = database_bytes

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at each scrape, from a thread of its own."""
        yield self._collect_requests()
        yield self._collect_request_seconds()
        webhooks = CounterMetricFamily(
            "webhook_requests",
            "Webhooks, by what became of them: " + ", ".join(WEBHOOK_RESULTS),
            labels=["result"],
        )
        for result, count in self.webhook_results.items():
            webhooks.add_metric([result], count)
        yield webhooks
        yield CounterMetricFamily(
            "webhook_conflicts",
            "Duplicates whose other fields differ from what is stored (the first one won)",
            value=self.conflicts,
        )
        batches = HistogramMetricFamily("ingest_batch_messages", "Messages that shared one commit")
        self.batch_messages.add_to(batches)
        yield batches
        commits = HistogramMetricFamily(
            "ingest_commit_duration_seconds",
            "One group commit, from handing it to the database to its return from stable storage",
        )
        self.commit_seconds.add_to(commits)
        yield commits
        yield CounterMetricFamily(
            "http_connections_refused",
            "Connections answered 503 because too many were open",
            value=self.connections_refused,
        )
        yield CounterMetricFamily(
            "log_lines_dropped",
            "Log lines lost because standard output was not read",
            value=self._lines_dropped(),
        )
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

    def _collect_requests(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "http_requests",
            "Requests answered; 499: the client left first",
            labels=["method", "path", "status"],
        )
        for (method, path, status), count in list(self._requests.items()):
            family.add_metric([method, path, str(status)], count)
        return family

    def _collect_request_seconds(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "http_request_duration_seconds",
            "From the request's head to the end of its answer",
            labels=["method", "path"],
        )
        for labels, histogram in list(self._request_seconds.items()):
            histogram.add_to(family, labels)
        return family
