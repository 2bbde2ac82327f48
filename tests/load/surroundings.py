"""Surroundings that change: the clock goes back, DNS fails, and a scraper asks too often."""

import signal
import sys
import time
from collections.abc import Callable

from tests.bench.servers.files import count_messages
from tests.bench.servers.processes import SERVICE, Target, running
from tests.bench.traffic.client import Answer, Client
from tests.bench.traffic.wrk import Result
from tests.load.traffic import (
    CREATED,
    PEAK_SHARE,
    Traffic,
    count_errors,
    meanwhile,
    median_p99,
    requests_for,
    scrape,
)
from tests.measure.figures import percentile
from tests.measure.findings import Finding, at_most, exactly, told
from tests.measure.places import scratch
from tests.measure.watch import Watch

LOAD = """\
Honest traffic at half the peak for two services, in turns: an ordinary one, and an altered one. The
clock of the altered one has gone back an hour, no name resolves for it (both patched into the
process), and its `/metrics` is scraped 20 times a second."""

ALTERED = Target("altered", "this service", (sys.executable, "-m", "tests.load.altered"))
SCRAPE_SECONDS = 1 / 20
PEAK_SECONDS = 3
WINDOW_SECONDS = 3
P99_TIMES_MAX = 1.5
"""On a machine that does other work, p99 differs as much from one window to the next."""


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds of each, in windows that take turns."""
    requests = requests_for(seconds + PEAK_SECONDS, watch)
    scrapes: list[Answer] = []
    usual_runs: list[Result] = []
    altered_runs: list[Result] = []

    def scrape_often(is_over: Callable[[], bool]) -> None:
        due = time.monotonic()
        with Client(altered.port) as client:
            while not is_over():
                scrapes.append(client.get("/metrics"))
                due += SCRAPE_SECONDS
                time.sleep(max(0, due - time.monotonic()))

    with (
        scratch() as folder,
        running(SERVICE, folder / "usual.db") as usual,
        running(ALTERED, folder / "altered.db") as altered,
    ):
        to_usual, to_altered = Traffic(requests, usual.port), Traffic(requests, altered.port)
        rate = to_usual.peak(PEAK_SECONDS).requests_per_second * PEAK_SHARE
        to_altered.peak(PEAK_SECONDS)
        altered.send_signal(signal.SIGUSR1)
        for _ in range(max(1, seconds // WINDOW_SECONDS)):
            usual_runs.append(to_usual.at(rate, WINDOW_SECONDS))
            with meanwhile(1, scrape_often):
                altered_runs.append(to_altered.at(rate, WINDOW_SECONDS))
        with Client(altered.port) as client:
            ready = client.get("/health/ready").status
            total = client.get("/messages?limit=1").json()["total"]
        created = scrape(altered.port)[CREATED]
        stored = count_messages(folder / "altered.db")
    p99_times = median_p99(altered_runs) / median_p99(usual_runs)
    return [
        told("honest traffic", rate, "webhooks/s"),
        told("its p99 as usual", median_p99(usual_runs), "ms"),
        told("its p99 altered", median_p99(altered_runs), "ms"),
        at_most("p99 altered, times that as usual", p99_times, "", P99_TIMES_MAX),
        exactly("webhooks not answered 200", count_errors(altered_runs), 0),
        exactly("answered 200 and not stored", max(0, created - stored), 0),
        exactly("stored and not found by GET /messages", stored - total, 0),
        exactly("GET /health/ready", ready, 200),
        told("scrapes", len(scrapes)),
        exactly("scrapes not answered 200", sum(one.status != 200 for one in scrapes), 0),
        told("a scrape, p99", percentile([one.seconds for one in scrapes], 99) * 1_000, "ms"),
    ]
