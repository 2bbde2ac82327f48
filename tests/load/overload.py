"""More webhooks than the service can take: from a crowd of senders, or ten times the peak."""

import sys
import time
from pathlib import Path

from service.http.listener import CONNECTIONS_MAX
from tests.bench.servers.files import count_messages
from tests.bench.servers.processes import SERVICE, Running, Target, running
from tests.load import newcomers
from tests.load.traffic import CREATED, Traffic, allow_files, requests_for, scrape
from tests.measure.findings import Finding, at_least, at_most, exactly, told
from tests.measure.places import scratch
from tests.measure.watch import Watch

CROWD_CONNECTIONS = CONNECTIONS_MAX + 1_500
CROWD_LOAD = f"""\
{CROWD_CONNECTIONS:,} connections at a time, more than the service holds. Each sends its next
webhook as soon as it has an answer, and reconnects at once if it was refused. Beside them come
newcomers, with one webhook and one connection each."""

TENFOLD_LOAD = """\
Ten times the peak, open loop: a webhook is sent at its time, whatever became of those before it.
The disk is slow, so that two cores can send so much: a message takes 2 ms to store (patched into
the process). Beside it come newcomers, with one webhook and one connection each."""

SLOW_DISK = Target("slow", "this service", (sys.executable, "-m", "tests.load.slow_disk"))
QUEUE_MESSAGES_MAX = 250
"""What the slow disk stores in half a second: no sender waits longer than that and a batch."""

TIMES = 10
OFFERED_TIMES = 10.5
"""What is sent, so that at least ten times the peak arrives."""

TENFOLD_CONNECTIONS = 1_000
"""More than there are messages in the queue."""

PEAK_SECONDS = 5
MEMORY_MEBIBYTES_MAX = 250
REFUSED_CONNECTIONS = "http_connections_refused_total"
REFUSED_WEBHOOKS = 'webhook_requests_total{result="unavailable",source="webhook"}'


def measure_crowd(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds of the crowd."""
    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        return _measure(server, folder / "app.db", seconds, watch, None)


def measure_tenfold(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds of ten times the peak."""
    limit = {"QUEUE_LIMIT": str(QUEUE_MESSAGES_MAX)}
    with scratch() as folder, running(SLOW_DISK, folder / "app.db", variables=limit) as server:
        return _measure(server, folder / "app.db", seconds, watch, OFFERED_TIMES)


def _measure(
    server: Running, database: Path, seconds: int, watch: Watch, times: float | None
) -> list[Finding]:
    """`times` the peak; None: as much as the crowd sends."""
    allow_files(CROWD_CONNECTIONS + 500)
    traffic = Traffic(requests_for(seconds + 3 * PEAK_SECONDS, watch), server.port)
    before = traffic.peak(PEAK_SECONDS).requests_per_second
    quiet = newcomers.probe_quiet(server.port)
    counted = scrape(server.port)
    watch.say(f"overload for {seconds} s")
    began = time.monotonic()
    with newcomers.arriving(server.port) as came:
        if times is None:
            traffic.peak(seconds, CROWD_CONNECTIONS)
        else:
            traffic.at(before * times, seconds, TENFOLD_CONNECTIONS)
        ended = time.monotonic()
    after = newcomers.watch_recovery(server.port)
    counts = scrape(server.port)
    peak = (before + traffic.peak(PEAK_SECONDS).requests_per_second) / 2
    lost = max(0, scrape(server.port)[CREATED] - count_messages(database))

    def per_second(name: str) -> float:
        return (counts[name] - counted[name]) / (ended - began)

    good = per_second(CREATED) - len(after) / (ended - began)
    refused = per_second(REFUSED_CONNECTIONS if times is None else REFUSED_WEBHOOKS)
    offered = (good + refused) / peak
    return [
        told("peak, before and after", peak, "webhooks/s"),
        told("answered 200", good, "webhooks/s"),
        told("refused with 503", refused, "/s"),
        told("offered, of the peak", offered)
        if times is None
        else at_least("offered, of the peak", offered, "", TIMES),
        at_least("good answers, of the peak", good / peak, "", 0.8),
        *newcomers.describe(came),
        at_most("memory, at most", server.resident_mebibytes(), "MiB", MEMORY_MEBIBYTES_MAX),
        at_most("back to normal after", newcomers.recovery_seconds(quiet, after, ended), "s", 2),
        exactly("answered 200 and not stored", lost, 0),
    ]
