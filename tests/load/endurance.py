"""Half an hour of much work: does anything grow that should not?"""

import math
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.bench.servers.processes import SERVICE, running
from tests.bench.traffic.requests import short_requests
from tests.load.traffic import Traffic, requests_for
from tests.measure.findings import Finding, at_most, exactly, told
from tests.measure.places import scratch
from tests.measure.watch import Watch

LOAD = "80 % of the peak, without a pause, onto a database that was empty."

PEAK_SECONDS = 5
PEAK_SHARE = 0.8
REQUESTS_A_FILE = 4_000_000
"""Files have a multiple of that many, so that the next run can use the same."""

WINDOWS = 60
"""Of equal length; the first third is for warming up."""

P99_TIMES_MAX = 1.5


class Window(NamedTuple):
    """What was seen in, or at the end of, one window."""

    minutes: float
    p99_ms: float
    errors: int
    mebibytes: float
    open_files: int


def measure(seconds: int, watch: Watch) -> list[Finding]:
    """So many seconds of it."""
    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        few = requests_for(2 * PEAK_SECONDS, watch)
        rate = Traffic(few, server.port).peak(PEAK_SECONDS).requests_per_second * PEAK_SHARE
    wanted = math.ceil(1.1 * rate * seconds / REQUESTS_A_FILE) * REQUESTS_A_FILE
    requests = short_requests(wanted, watch)
    windows: list[Window] = []
    with (
        scratch() as folder,
        running(SERVICE, folder / "app.db") as server,
        watch.part("endurance", WINDOWS) as begin,
    ):
        traffic, began = Traffic(requests, server.port), time.monotonic()
        for _ in range(WINDOWS):
            begin(f"{server.resident_now_mebibytes():.0f} MiB")
            result = traffic.at(rate, seconds / WINDOWS)
            minutes = (time.monotonic() - began) / 60
            memory, files = server.resident_now_mebibytes(), server.open_files()
            windows.append(Window(minutes, result.p99_ms, result.errors, memory, files))
    return [told("traffic", rate, "webhooks/s"), *judge(windows)]


def judge(windows: Sequence[Window]) -> list[Finding]:
    """What the windows show, without the first third."""
    third = len(windows) // 3
    warm = windows[third:]
    minutes, mebibytes = [one.minutes for one in warm], [one.mebibytes for one in warm]
    slope, start = statistics.linear_regression(minutes, mebibytes)
    off = [one.mebibytes - (start + slope * one.minutes) for one in warm]
    noise = max(off) - min(off)
    trend = slope * (minutes[-1] - minutes[0]) / noise if noise else 0
    middle, last = warm[:third], warm[-third:]
    before, after = (statistics.median(one.p99_ms for one in part) for part in (middle, last))
    files_before, files_after = (max(one.open_files for one in part) for part in (middle, last))
    more_files = files_after - files_before
    return [
        told("minutes", windows[-1].minutes),
        exactly("not answered 200", sum(window.errors for window in windows), 0),
        told("memory at the end", mebibytes[-1], "MiB"),
        told("its scatter around its trend", noise, "MiB"),
        at_most("its trend over the last two thirds, in scatters", trend, "", 1),
        at_most("more open files in the last third", more_files, "", 0),
        told("p99, second third", before, "ms"),
        told("p99, last third", after, "ms"),
        at_most("p99 in the last third, times that before", after / before, "", P99_TIMES_MAX),
    ]
