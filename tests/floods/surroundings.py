"""A world that changes: the clock goes back, DNS goes away, and a scraper knows no measure."""

import signal
import sys
import time
from collections.abc import Callable

from tests.bench.client import Answer, Client
from tests.bench.files import count_messages
from tests.bench.places import scratch
from tests.bench.results import percentile
from tests.bench.targets import Target, running
from tests.bench.watch import Watch
from tests.floods.findings import Finding, at_most, exactly, told
from tests.floods.traffic import Traffic, meanwhile, median, requests_for, scrape

LOAD = """\
Honest traffic at half the peak; then the same while the clock is an hour back, no name resolves
(both patched into the process), and `/metrics` is scraped 20 times a second."""

ALTERED = Target("altered", "this service", (sys.executable, "-m", "tests.floods.altered"), True)
SCRAPE_SECONDS = 1 / 20
PEAK_SECONDS = 3
PEAK_SHARE = 0.5
WINDOW_SECONDS = 3
WORSE = 1.5
"""p99 differs as much as this from one window to the next, on a machine that does other things."""

CREATED = 'webhook_requests_total{result="created"}'


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds before, and as many after."""
    requests = requests_for(2 * seconds + PEAK_SECONDS, watch)
    scrapes: list[Answer] = []

    def scrape_often(is_over: Callable[[], bool]) -> None:
        due = time.monotonic()
        with Client(server.port) as client:
            while not is_over():
                scrapes.append(client.get("/metrics"))
                due += SCRAPE_SECONDS
                time.sleep(max(0, due - time.monotonic()))

    with scratch() as folder, running(ALTERED, folder / "app.db") as server:
        traffic = Traffic(requests, server.port)
        rate = traffic.peak(PEAK_SECONDS).requests_per_second * PEAK_SHARE
        windows = max(1, seconds // WINDOW_SECONDS)
        watch.say(f"surroundings: as usual for {seconds} s")
        before = [traffic.at(rate, WINDOW_SECONDS) for _ in range(windows)]
        server.send_signal(signal.SIGUSR1)
        watch.say(f"surroundings: altered for {seconds} s")
        with meanwhile(1, scrape_often):
            after = [traffic.at(rate, WINDOW_SECONDS) for _ in range(windows)]
        with Client(server.port) as client:
            ready = client.get("/health/ready").status
            total = client.get("/messages?limit=1").json()["total"]
        created, stored = scrape(server.port)[CREATED], count_messages(folder / "app.db")
    p99_before, p99_after = (median([one.p99_ms for one in runs]) for runs in (before, after))
    return [
        told("honest traffic", rate, "webhooks/s"),
        told("its p99 before", p99_before, "ms"),
        told("its p99 after", p99_after, "ms"),
        at_most("p99 after, times that before", p99_after / p99_before, "", WORSE),
        exactly("webhooks not answered 200", sum(one.errors for one in after), "", 0),
        exactly("answered 200 and not stored", max(0, created - stored), "", 0),
        exactly("stored and not found by GET /messages", stored - total, "", 0),
        exactly("GET /health/ready", ready, "", 200),
        told("scrapes", len(scrapes), ""),
        exactly("scrapes not answered 200", sum(one.status != 200 for one in scrapes), "", 0),
        told("a scrape, p99", percentile([one.seconds for one in scrapes], 99) * 1_000, "ms"),
    ]
