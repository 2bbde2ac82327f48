"""More webhooks than the service can take, from more senders than it can hold."""

import time

from service.http.listener import CONNECTIONS_MAX
from tests.bench.files import count_messages
from tests.bench.servers import SERVICE, running
from tests.load import newcomers
from tests.load.findings import Finding, at_least, at_most, exactly, told
from tests.load.traffic import Traffic, allow_files, requests_for, scrape
from tests.measure.places import scratch
from tests.measure.watch import Watch

CONNECTIONS = CONNECTIONS_MAX + 1_500
LOAD = f"""\
{CONNECTIONS:,} connections at a time, more than the service holds. Each sends its next webhook as
soon as it has an answer, and connects again at once where it was refused. Beside them newcomers,
with one webhook and one connection each. At every moment that is more than the service takes."""

PEAK_SECONDS = 5

CREATED = 'webhook_requests_total{result="created"}'
REFUSED = "http_connections_refused_total"


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """Let it loose for so many seconds."""
    allow_files(CONNECTIONS + 500)
    requests = requests_for(seconds + 3 * PEAK_SECONDS, watch)
    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        traffic = Traffic(requests, server.port)
        before = traffic.peak(PEAK_SECONDS).requests_per_second
        quiet = newcomers.probe_quiet(server.port)
        counted = scrape(server.port)
        watch.say(f"overload: {CONNECTIONS:,} connections for {seconds} s")
        began = time.monotonic()
        with newcomers.arriving(server.port) as came:
            traffic.peak(seconds, CONNECTIONS)
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
            told("connections refused with 503", refusals, "/s"),
            told("offered, answered or refused, of the peak", (good + refusals) / peak, ""),
            at_least("good answers, of the peak", good / peak, "", 0.8),
            *newcomers.describe(came),
            at_most("memory, at most", server.resident_mebibytes(), "MiB", 250),
            at_most(
                "back to normal after", newcomers.recovery_seconds(quiet, after, ended), "s", 2
            ),
            exactly("answered 200 and not stored", lost, "", 0),
        ]
