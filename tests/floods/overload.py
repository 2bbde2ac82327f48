"""More webhooks than the service can take, from more senders than it can hold."""

import math
import time
from collections.abc import Callable, Sequence

from service.listener import CONNECTIONS_MAX
from tests.bench.files import count_messages
from tests.bench.places import scratch
from tests.bench.results import percentile
from tests.bench.targets import SERVICE, running
from tests.bench.watch import Watch
from tests.floods.findings import Finding, at_least, at_most, exactly, told
from tests.floods.traffic import (
    Probe,
    Traffic,
    allow_files,
    meanwhile,
    probe,
    requests_for,
    scrape,
)

CONNECTIONS = CONNECTIONS_MAX + 1_500
LOAD = f"""\
{CONNECTIONS:,} connections at a time, more than the service holds. Each sends its next webhook as
soon as it has an answer, and connects again at once where it was refused. Beside them newcomers,
with one webhook and one connection each. At every moment that is more than the service takes. It
is not ten times its peak: two cores, which have to offer it besides, can't carry so much to it."""

PEAK_SECONDS = 5
NEWCOMERS = 8
NEWCOMER_PAUSE_SECONDS = 0.2
QUIET_PROBES = 200
WATCHED_SECONDS = 5
AT_ONCE_MS = 1_000
NORMAL_IN_A_ROW = 20

CREATED = 'webhook_requests_total{result="created"}'
REFUSED = "http_connections_refused_total"


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """Let it loose for so many seconds."""
    allow_files(CONNECTIONS + 500)
    requests = requests_for(seconds + 3 * PEAK_SECONDS, watch)
    newcomers: list[Probe] = []

    def arrive(is_over: Callable[[], bool]) -> None:
        while not is_over():
            newcomers.append(probe(server.port))
            time.sleep(NEWCOMER_PAUSE_SECONDS)

    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        traffic = Traffic(requests, server.port)
        before = traffic.peak(PEAK_SECONDS).requests_per_second
        quiet = [probe(server.port) for _ in range(QUIET_PROBES)]
        counted = scrape(server.port)
        watch.say(f"overload: {CONNECTIONS:,} connections for {seconds} s")
        began = time.monotonic()
        with meanwhile(NEWCOMERS, arrive):
            traffic.peak(seconds, CONNECTIONS)
            ended = time.monotonic()
        after = _watch_recovery(server.port)
        counts = scrape(server.port)
        peak = (before + traffic.peak(PEAK_SECONDS).requests_per_second) / 2
        lost = max(0, scrape(server.port)[CREATED] - count_messages(folder / "app.db"))
        good = (counts[CREATED] - counted[CREATED] - len(after)) / (ended - began)
        refusals = (counts[REFUSED] - counted[REFUSED]) / (ended - began)
        refused = [one for one in newcomers if one.status == 503]
        told_when = sum(one.says_when for one in refused)
        unanswered = sum(one.status not in (200, 503) for one in newcomers)
        return [
            told("peak, before and after", peak, "webhooks/s"),
            told("answered 200", good, "webhooks/s"),
            told("connections refused with 503", refusals, "/s"),
            told("offered, answered or refused, of the peak", (good + refusals) / peak, ""),
            at_least("good answers, of the peak", good / peak, "", 0.8),
            told("newcomers", len(newcomers), ""),
            exactly("newcomers without 200 or 503", unanswered, "", 0),
            exactly("their 503 without Retry-After", len(refused) - told_when, "", 0),
            at_most("their 503, p99", _p99_ms(refused), "ms", AT_ONCE_MS),
            told("their 200, p99", _p99_ms([one for one in newcomers if one.status == 200]), "ms"),
            at_most("memory, at most", server.resident_mebibytes(), "MiB", 250),
            at_most("back to normal after", _recovery_seconds(quiet, after, ended), "s", 2),
            exactly("answered 200 and not stored", lost, "", 0),
        ]


def _watch_recovery(port: int) -> list[Probe]:
    deadline = time.monotonic() + WATCHED_SECONDS
    found = []
    while time.monotonic() < deadline:
        found.append(probe(port))
    return found


def _recovery_seconds(quiet: Sequence[Probe], after: Sequence[Probe], ended: float) -> float:
    """From the end of the flood to the first of some probes in a row that were as before.

    That is answered 200, within twice the p99 of before.
    """
    slow = 2 * percentile([one.seconds for one in quiet], 99)
    in_a_row = 0
    for one in after:
        in_a_row = in_a_row + 1 if one.status == 200 and one.seconds <= slow else 0
        if in_a_row == NORMAL_IN_A_ROW:
            return one.ended_at - ended
    return math.inf


def _p99_ms(probes: Sequence[Probe]) -> float:
    return percentile([one.seconds for one in probes], 99) * 1_000 if probes else 0
