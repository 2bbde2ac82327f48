"""Ten times the webhooks that the service can take, whether they are answered or not."""

import sys
import time

from tests.bench.files import count_messages
from tests.bench.servers import Target, running
from tests.load import newcomers
from tests.load.findings import Finding, at_least, at_most, exactly, told
from tests.load.traffic import Traffic, allow_files, requests_for, scrape
from tests.measure.places import scratch
from tests.measure.watch import Watch

LOAD = """\
Ten times the peak, open loop: a webhook is due at its time, whatever became of those before it. So
that two cores can offer it besides, the disk is slow: to store a message takes it 2 ms (patched
into the process). Beside it newcomers, with one webhook and one connection each."""

SLOW_DISK = Target("slow", "this service", (sys.executable, "-m", "tests.load.slow_disk"), True)
QUEUE_MESSAGES_MAX = 250
"""What this disk stores in half a second: senders wait no longer than that and a batch."""

TIMES = 10
OFFERED_TIMES = 10.5
"""What is due, so that what is offered is ten times the peak for certain."""

CONNECTIONS = 1_000
"""More than there are messages that wait, with what is refused on the others."""

PEAK_SECONDS = 5

CREATED = 'webhook_requests_total{result="created"}'
REFUSED = 'webhook_requests_total{result="unavailable"}'


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """Let it loose for so many seconds."""
    allow_files(CONNECTIONS + 500)
    requests = requests_for(seconds, watch)
    limit = {"QUEUE_LIMIT": str(QUEUE_MESSAGES_MAX)}
    with scratch() as folder, running(SLOW_DISK, folder / "app.db", variables=limit) as server:
        traffic = Traffic(requests, server.port)
        before = traffic.peak(PEAK_SECONDS).requests_per_second
        quiet = newcomers.probe_quiet(server.port)
        counted = scrape(server.port)
        watch.say(f"tenfold: {before * OFFERED_TIMES:,.0f} webhooks a second for {seconds} s")
        began = time.monotonic()
        with newcomers.arriving(server.port) as came:
            traffic.at(before * OFFERED_TIMES, seconds, CONNECTIONS)
            ended = time.monotonic()
        after = newcomers.watch_recovery(server.port)
        counts = scrape(server.port)
        peak = (before + traffic.peak(PEAK_SECONDS).requests_per_second) / 2
        lost = max(0, scrape(server.port)[CREATED] - count_messages(folder / "app.db"))
        good = (counts[CREATED] - counted[CREATED] - len(after)) / (ended - began)
        refusals = (counts[REFUSED] - counted[REFUSED]) / (ended - began)
        return [
            told("peak, before and after", peak, "webhooks/s"),
            told("answered 200", good, "webhooks/s"),
            told("answered 503", refusals, "webhooks/s"),
            at_least("offered, of the peak", (good + refusals) / peak, "", TIMES),
            at_least("good answers, of the peak", good / peak, "", 0.8),
            *newcomers.describe(came),
            at_most("memory, at most", server.resident_mebibytes(), "MiB", 250),
            at_most(
                "back to normal after", newcomers.recovery_seconds(quiet, after, ended), "s", 2
            ),
            exactly("answered 200 and not stored", lost, "", 0),
        ]
