"""Every Prometheus metric, its label values listed beside it.

No label takes a value from a client's bytes: methods and paths that are not known have one value
between them. Children are bound once, so that counting a request is a few dictionary look-ups, and
so that every series of a fixed set is there, at zero, before the first event (`rate()` misses the
first event of a series that begins with it).
"""

import platform
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily

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
DATABASE_FILES = {"main": "", "wal": "-wal"}

REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0)
BATCH_MESSAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._paths = frozenset(paths)
        self._requests = Counter(
            "http_requests_total",
            "Requests answered; 499: the client left first",
            ("method", "path", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "http_request_duration_seconds",
            "From the request's head to the end of its answer",
            ("method", "path"),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._webhooks = Counter(
            "webhook_requests_total",
            "Webhooks, by what became of them: " + ", ".join(WEBHOOK_RESULTS),
            ("result",),
            registry=registry,
        )
        self.webhook_result = {result: self._webhooks.labels(result) for result in WEBHOOK_RESULTS}
        self.conflicts = Counter(
            "webhook_conflicts_total",
            "Duplicates whose other fields differ from what is stored (the first one won)",
            registry=registry,
        )
        self.batch_messages = Histogram(
            "ingest_batch_messages",
            "Messages that shared one commit",
            buckets=BATCH_MESSAGES,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "ingest_commit_duration_seconds",
            "One group commit, from handing it to the database to its return from stable storage",
            buckets=COMMIT_SECONDS,
            registry=registry,
        )
        self._queue = Gauge(
            "ingest_queue_messages", "Messages that wait for their commit", registry=registry
        )
        self._database_bytes = Gauge(
            "database_bytes",
            "Size of the database's files: " + ", ".join(DATABASE_FILES),
            ("file",),
            registry=registry,
        )
        self._build = Gauge(
            "service_build_info",
            "Always 1: what runs here",
            ("version", "python", "database"),
            registry=registry,
        )
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request. `method` and `path` are as the client wrote them."""
        key = (
            method if method in METHODS else OTHER_METHOD,
            path if path in self._paths else UNMATCHED_PATH,
            status,
        )
        children = self._request_children.get(key)
        if children is None:
            children = self._request_children[key] = (
                self._requests.labels(*key),
                self._request_seconds.labels(*key[:2]),
            )
        children[0].inc()
        children[1].observe(seconds)

    def watch_queue(self, messages_waiting: Callable[[], int]) -> None:
        self._queue.set_function(messages_waiting)

    def watch_log(self, lines_dropped: Callable[[], int]) -> None:
        self.registry.register(_LinesDropped(lines_dropped))

    def watch_database(self, path: Path, database: str) -> None:
        """`database` names the engine and its version, for `service_build_info`."""
        for name, suffix in DATABASE_FILES.items():
            file = path.with_name(path.name + suffix)
            self._database_bytes.labels(name).set_function(partial(_bytes_of, file))
        self._build.labels(version("webhook-service"), platform.python_version(), database).set(1)


class _LinesDropped:
    """`log_lines_dropped_total`, read where the log counts it."""

    def __init__(self, lines_dropped: Callable[[], int]) -> None:
        self._lines_dropped = lines_dropped

    def collect(self) -> list[CounterMetricFamily]:
        family = CounterMetricFamily(
            "log_lines_dropped", "Log lines lost because standard output was not read"
        )
        family.add_metric([], self._lines_dropped())
        return [family]


def _bytes_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
