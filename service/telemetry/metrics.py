"""Every Prometheus metric, with the values of its labels beside it.

No label takes a value from a client's bytes: unknown methods share one value, and so do unknown
paths. A source is one that the environment configures. `webhook_requests_total` has all its series
from the start, because `rate()` misses the first event of a series that begins with it.

The hot path calls no `.labels()`: each child is bound once.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.source_settings import MESSAGES_SOURCE

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STATUSES = (200, 204, 400, 401, 403, 404, 405, 408, 413, 415, 422, 431, 499, 500, 503)
"""Every status that the service gives."""

OTHER = "other"
"""Any other method or status."""

UNMATCHED_PATH = "unmatched"

WEBHOOK_RESULTS = (
    "created",
    "duplicate",
    "invalid_signature",
    "validation_error",
    "too_large",
    "unavailable",
)
REFUSALS = ("missing", "malformed", "mismatch", "expired", "future", "content_encoding")
"""The failures of a signature, and the encoding."""

MESSAGE_REFUSALS = ("body", "message_id", "from", "to", "ts", "text")
"""What breaks the rules of a message."""

SECRETS = ("current", "previous")
DATABASE_FILES = ("main", "wal", "index", "index_wal")
"""PostgreSQL has only the first."""

REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0)
BATCH_MESSAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

RequestLabels: TypeAlias = tuple[str, str, int | str]
"""Method, path and status."""

# The `_created` series would double the number of counters, and Prometheus does not need them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class WebhookMetrics(NamedTuple):
    """The metrics of one source."""

    requests: Mapping[str, Counter]
    """By result."""
    refusals: Mapping[str, Counter]
    """By reason."""
    last_received: Gauge
    secret_last_used: Sequence[Gauge]
    """In the order of SECRETS."""


class Metrics:
    """What the service counts, in a registry of its own.

    `paths` are the routes' templates, and `sources` the names that the environment configures.
    """

    def __init__(self, paths: Sequence[str], sources: Sequence[str] = ()) -> None:
        self.registry = registry = CollectorRegistry()
        self._paths = frozenset(paths)
        self._requests = Counter(
            "http_requests_total",
            "Requests answered; status 499 means that the client left first",
            ["method", "path", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "http_request_duration_seconds",
            "From the request's head to the end of its answer",
            ["method", "path"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._bound: dict[RequestLabels, tuple[Counter, Histogram]] = {}
        self.webhooks = _webhook_metrics(registry, sources)
        self.webhook_conflicts = Counter(
            "webhook_conflicts_total",
            "Duplicates that differ from what is stored, which stays as it is",
            registry=registry,
        )
        self.batch_messages = Histogram(
            "ingest_batch_messages",
            "Messages and events in one commit",
            buckets=BATCH_MESSAGES,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "ingest_commit_duration_seconds",
            "One group commit, until the database has it on stable storage",
            buckets=COMMIT_SECONDS,
            registry=registry,
        )
        self.queue_messages = Gauge(
            "ingest_queue_messages",
            "Messages and events that wait for their commit",
            registry=registry,
        )
        self.index_lag_messages = Gauge(
            "index_lag_messages",
            "Messages that are stored and found, but not in the index yet: reads scan them",
            registry=registry,
        )
        self.checkpoint_blocked_seconds = Gauge(
            "checkpoint_blocked_seconds",
            "For how long another program has kept the WAL from being checkpointed",
            registry=registry,
        )
        self.connections = Gauge("http_connections", "Open connections", registry=registry)
        self.connections_refused = Counter(
            "http_connections_refused_total",
            "Connections answered 503 because too many were open",
            registry=registry,
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count and time one request. The client chose `method` and `path`."""
        requests, request_seconds = self._bound.get((method, path, status)) or self._bind(
            method if method in METHODS else OTHER,
            path if path in self._paths else UNMATCHED_PATH,
            status if status in STATUSES else OTHER,
        )
        requests.inc()
        request_seconds.observe(seconds)

    def _bind(self, method: str, path: str, status: int | str) -> tuple[Counter, Histogram]:
        """The children of these labels, whose values are all of a fixed set."""
        labels = (method, path, status)
        if labels not in self._bound:
            self._bound[labels] = (
                self._requests.labels(method, path, status),
                self._request_seconds.labels(method, path),
            )
        return self._bound[labels]


def _webhook_metrics(
    registry: CollectorRegistry, sources: Sequence[str]
) -> Mapping[str, WebhookMetrics]:
    """By the name of the source; each child is there from the start."""
    requests = Counter(
        "webhook_requests_total",
        "Webhooks by result: " + ", ".join(WEBHOOK_RESULTS),
        ["source", "result"],
        registry=registry,
    )
    refusals = Counter(
        "webhook_refusals_total",
        "Webhooks with a wrong signature or an invalid message, by reason: "
        + ", ".join(REFUSALS + MESSAGE_REFUSALS),
        ["source", "reason"],
        registry=registry,
    )
    last_received = Gauge(
        "webhook_last_received_timestamp_seconds",
        "When the last webhook with a good signature came; 0 before the first",
        ["source"],
        registry=registry,
    )
    secret_last_used = Gauge(
        "webhook_secret_last_used_timestamp_seconds",
        "When a secret last signed a webhook; 0 before the first",
        ["source", "secret"],
        registry=registry,
    )
    return {
        source: WebhookMetrics(
            {result: requests.labels(source, result) for result in WEBHOOK_RESULTS},
            {
                reason: refusals.labels(source, reason)
                for reason in (REFUSALS + MESSAGE_REFUSALS * (source == MESSAGES_SOURCE))
            },
            last_received.labels(source),
            [secret_last_used.labels(source, secret) for secret in SECRETS],
        )
        for source in (MESSAGES_SOURCE, *sources)
    }


class ReadAtScrape(NamedTuple):
    """Metrics whose values are read where they are kept. A scrape reads them from a thread."""

    lines_dropped: Callable[[], int]
    engine: Callable[[], str]
    database_bytes: Callable[[], Mapping[str, int]]

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "log_lines_dropped",
            "Log lines lost because nobody read standard output",
            value=self.lines_dropped(),
        )
        sizes = GaugeMetricFamily(
            "database_bytes",
            "Size of the database's files: " + ", ".join(DATABASE_FILES),
            labels=["file"],
        )
        for name, size in self.database_bytes().items():
            sizes.add_metric([name], size)
        yield sizes
        build = GaugeMetricFamily(
            "service_build_info",
            "Always 1; the labels say what runs",
            labels=["version", "python", "database"],
        )
        build.add_metric([version("webhook-service"), platform.python_version(), self.engine()], 1)
        yield build
