"""Many readers at a time who ask what takes longest, beside honest traffic."""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle

from service.store.sqlite.checkpoints import LOG_FRAMES_MAX
from tests.bench.client import Client
from tests.bench.databases import Copy, prepare
from tests.bench.reads import slow_paths
from tests.bench.servers import SERVICE, running
from tests.bench.wrk import Result
from tests.load.findings import Finding, at_most, exactly, told
from tests.load.traffic import Traffic, meanwhile, median, requests_for
from tests.measure.places import scratch
from tests.measure.watch import Watch

READERS = 50
MESSAGES = 300_000
LOAD = f"""\
{READERS} readers at a time, each of whom asks for a search that matches most of {MESSAGES:,}
messages, counted, and then for the next. Honest traffic at half the peak, in turns alone and beside
them."""

PEAK_SHARE = 0.5
PEAK_SECONDS = 3
WINDOW_SECONDS = 5
FRAME_BYTES = 4_096 + 24
LOG_MEBIBYTES = 4 * LOG_FRAMES_MAX * FRAME_BYTES / 2**20
"""What is written while searches end that may last QUERY_TIMEOUT_SECONDS comes on top."""


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """Half of so many seconds alone, and half beside readers."""
    windows = max(1, seconds // (2 * WINDOW_SECONDS))
    requests = requests_for(seconds + 2 * PEAK_SECONDS, watch)
    searches = slow_paths()  # found once: it takes a quarter of a second of processor time
    statuses: list[int] = []
    alone: list[Result] = []
    beside: list[Result] = []
    log_bytes = [0]

    def read(is_over: Callable[[], bool]) -> None:
        paths = cycle(searches)
        with suppress(ConnectionError), Client(server.port) as client:
            while not is_over():
                statuses.append(client.get(next(paths)).status)

    def watch_log(is_over: Callable[[], bool]) -> None:
        while not is_over():
            log_bytes.append(database.with_name(f"{database.name}-wal").stat().st_size)
            time.sleep(0.1)

    original = prepare(MESSAGES, watch)
    with scratch() as folder:
        database = Copy(original, folder / "copy").database
        with running(SERVICE, database) as server:
            traffic = Traffic(requests, server.port)
            rate = traffic.peak(PEAK_SECONDS).requests_per_second * PEAK_SHARE
            with meanwhile(1, watch_log):
                for number in range(windows):
                    watch.say(f"readers: {number + 1} of {windows}, alone and beside them")
                    alone.append(traffic.at(rate, WINDOW_SECONDS))
                    with meanwhile(READERS, read):
                        beside.append(traffic.at(rate, WINDOW_SECONDS))
            memory = server.resident_mebibytes()
    p99_alone, p99_beside = (median([one.p99_ms for one in runs]) for runs in (alone, beside))
    rate_beside = median([one.requests_per_second for one in beside])
    return [
        told("honest traffic wanted", rate, "webhooks/s"),
        told("honest traffic beside readers", rate_beside, "webhooks/s"),
        told("its p99 alone", p99_alone, "ms"),
        told("its p99 beside", p99_beside, "ms"),
        at_most("p99 beside, times that alone", p99_beside / p99_alone, "", 1.5),
        exactly("honest webhooks not answered 200", sum(one.errors for one in beside), "", 0),
        told("searches answered", statuses.count(200), ""),
        told("searches stopped at QUERY_TIMEOUT_SECONDS", statuses.count(503), ""),
        exactly(
            "searches answered otherwise", len([s for s in statuses if s not in (200, 503)]), "", 0
        ),
        at_most("write-ahead log, at most", max(log_bytes) / 2**20, "MiB", LOG_MEBIBYTES),
        told("memory, at most", memory, "MiB"),
    ]
