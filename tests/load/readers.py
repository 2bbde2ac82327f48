"""Many readers at a time that ask for the slowest searches, beside honest traffic."""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from statistics import median

from service.store.sqlite.checkpoints import WAL_FRAMES_MAX
from tests.bench.servers.databases import Copy, prepare
from tests.bench.servers.processes import SERVICE, running
from tests.bench.traffic.client import Client
from tests.bench.traffic.reads import slow_paths
from tests.bench.traffic.wrk import Result
from tests.load.traffic import (
    PEAK_SHARE,
    Traffic,
    count_errors,
    meanwhile,
    median_p99,
    requests_for,
)
from tests.measure.findings import Finding, at_most, exactly, told
from tests.measure.places import scratch
from tests.measure.watch import Watch

READERS = 50
MESSAGES = 300_000
LOAD = f"""\
{READERS} readers at a time. Each asks for a search that matches most of {MESSAGES:,} messages,
counted, and then for the next one. Honest traffic at half the peak runs in turns alone and beside
them."""

PEAK_SECONDS = 3
WINDOW_SECONDS = 5
FRAME_BYTES = 4_096 + 24
WAL_MEBIBYTES_MAX = 4 * WAL_FRAMES_MAX * FRAME_BYTES / 2**20
"""The WAL grows beyond the limit while a search of up to QUERY_TIMEOUT_SECONDS ends."""


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """Half of so many seconds alone, and half beside readers."""
    turns = max(1, seconds // (2 * WINDOW_SECONDS))
    requests = requests_for(seconds + 2 * PEAK_SECONDS, watch)
    searches = slow_paths()
    statuses: list[int] = []
    alone: list[Result] = []
    beside: list[Result] = []
    wal_bytes = [0]

    def read(is_over: Callable[[], bool]) -> None:
        paths = cycle(searches)
        with suppress(ConnectionError), Client(server.port) as client:
            while not is_over():
                statuses.append(client.get(next(paths)).status)

    def watch_wal(is_over: Callable[[], bool]) -> None:
        wal = database.with_name(f"{database.name}-wal")
        while not is_over():
            wal_bytes.append(wal.stat().st_size)
            time.sleep(0.1)

    original = prepare(MESSAGES, watch)
    with scratch() as folder:
        database = Copy(original, folder / "copy").database
        with running(SERVICE, database) as server, meanwhile(1, watch_wal):
            traffic = Traffic(requests, server.port)
            rate = traffic.peak(PEAK_SECONDS).requests_per_second * PEAK_SHARE
            for _ in range(turns):
                alone.append(traffic.at(rate, WINDOW_SECONDS))
                with meanwhile(READERS, read):
                    beside.append(traffic.at(rate, WINDOW_SECONDS))
            memory = server.resident_mebibytes()
    p99_times = median_p99(beside) / median_p99(alone)
    others = sum(status not in (200, 503) for status in statuses)
    return [
        told("honest traffic wanted", rate, "webhooks/s"),
        told(
            "honest traffic beside readers",
            median(one.requests_per_second for one in beside),
            "webhooks/s",
        ),
        told("its p99 alone", median_p99(alone), "ms"),
        told("its p99 beside", median_p99(beside), "ms"),
        at_most("p99 beside, times that alone", p99_times, "", 1.5),
        exactly("honest webhooks not answered 200", count_errors(beside), 0),
        told("searches answered", statuses.count(200)),
        told("searches stopped at QUERY_TIMEOUT_SECONDS", statuses.count(503)),
        exactly("searches answered otherwise", others, 0),
        at_most("WAL, at most", max(wal_bytes) / 2**20, "MiB", WAL_MEBIBYTES_MAX),
        told("memory, at most", memory, "MiB"),
    ]
