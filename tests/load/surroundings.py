"""A world that changes: the clock goes back, DNS goes away, and a scraper knows no measure."""

import signal
import sys
import time
from collections.abc import Callable

from tests.bench.client import Answer, Client
from tests.bench.files import count_messages
from tests.bench.servers import SERVICE, Target, running
from tests.bench.wrk import Result
from tests.load.findings import Finding, at_most, exactly, told
from tests.load.traffic import Traffic, meanwhile, median, requests_for, scrape
from tests.measure.figures import percentile
from tests.measure.places import scratch
from tests.measure.watch import Watch

LOAD = """\
Honest traffic at half the peak for two services, in turns: one as usual, and one whose clock has
gone back an hour, for which no name resolves (both patched into the process), and whose `/metrics`
is scraped 20 times a second."""

ALTERED = Target("altered", "this service", (sys.executable, "-m", "tests.load.altered"), True)
SCRAPE_SECONDS = 1 / 20
PEAK_SECONDS = 3
PEAK_SHARE = 0.5
WINDOW_SECONDS = 3
WORSE = 1.5
"""p99 differs as much as this from one window to the next, on a machine that does other things."""

CREATED = 'webhook_requests_total{result="created"}'


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds of each, in windows that take turns."""
    requests = requests_for(seconds + PEAK_SECONDS, watch)
    scrapes: list[Answer] = []

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
        as_usual, beside = Traffic(requests, usual.port), Traffic(requests, altered.port)
        rate = as_usual.peak(PEAK_SECONDS).requests_per_second * PEAK_SHARE
        beside.peak(PEAK_SECONDS)
        altered.send_signal(signal.SIGUSR1)
        usual_runs: list[Result] = []
        altered_runs: list[Result] = []
        watch.say(f"surroundings: as usual and altered, {seconds} s of each")
        for _ in range(max(1, seconds // WINDOW_SECONDS)):
            usual_runs.append(as_usual.at(rate, WINDOW_SECONDS))
            with meanwhile(1, scrape_often):
                altered_runs.append(beside.at(rate, WINDOW_SECONDS))
        with Client(altered.port) as client:
            ready = client.get("/health/ready").status
            total = client.get("/messages?limit=1").json()["total"]
        created = scrape(altered.port)[CREATED]
        stored = count_messages(folder / "altered.db")
    p99_usual, p99_altered = (
        median([one.p99_ms for one in runs]) for runs in (usual_runs, altered_runs)
    )
    return [
        told("honest traffic", rate, "webhooks/s"),
        told("its p99 as usual", p99_usual, "ms"),
        told("its p99 altered", p99_altered, "ms"),
        at_most("p99 altered, times that as usual", p99_altered / p99_usual, "", WORSE),
        exactly("webhooks not answered 200", sum(one.errors for one in altered_runs), "", 0),
        exactly("answered 200 and not stored", max(0, created - stored), "", 0),
        exactly("stored and not found by GET /messages", stored - total, "", 0),
        exactly("GET /health/ready", ready, "", 200),
        told("scrapes", len(scrapes), ""),
        exactly("scrapes not answered 200", sum(one.status != 200 for one in scrapes), "", 0),
        told("a scrape, p99", percentile([one.seconds for one in scrapes], 99) * 1_000, "ms"),
    ]
