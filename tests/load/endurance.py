"""Half an hour of much work: does anything grow that should not?"""

import math
import statistics
import time
from typing import NamedTuple

from tests.bench.requests import short_requests
from tests.bench.servers import SERVICE, running
from tests.load.findings import Finding, at_most, exactly, told
from tests.load.traffic import Traffic, median, requests_for
from tests.measure.places import scratch
from tests.measure.watch import Watch

LOAD = "80 % of the peak, without a pause, onto a database that was empty."

PEAK_SECONDS = 5
PEAK_SHARE = 0.8
REQUESTS_A_FILE = 4_000_000
"""A file has a multiple of that many, so that the next run can use the same."""

WINDOWS = 60
"""Of equal length; the first third is for warming up."""

WORSE = 1.5


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
        peak = Traffic(few, server.port).peak(PEAK_SECONDS).requests_per_second
    rate = peak * PEAK_SHARE
    wanted = math.ceil(1.1 * rate * seconds / REQUESTS_A_FILE) * REQUESTS_A_FILE
    requests = short_requests(wanted, watch)
    windows: list[Window] = []
    with scratch() as folder, running(SERVICE, folder / "app.db") as server:
        traffic, began = Traffic(requests, server.port), time.monotonic()
        for number in range(WINDOWS):
            if number % 10 == 0:
                watch.say(
                    f"endurance: {number} of {WINDOWS}, {server.resident_now_mebibytes():.0f} MiB"
                )
            result = traffic.at(rate, seconds / WINDOWS)
            windows.append(
                Window(
                    (time.monotonic() - began) / 60,
                    result.p99_ms,
                    result.errors,
                    server.resident_now_mebibytes(),
                    server.open_files(),
                )
            )
    return _findings(rate, windows)


def _findings(rate: float, windows: list[Window]) -> list[Finding]:
    third = len(windows) // 3
    warm = windows[third:]
    minutes, mebibytes = [w.minutes for w in warm], [w.mebibytes for w in warm]
    slope, start = statistics.linear_regression(minutes, mebibytes)
    off = [
        value - (start + slope * minute) for minute, value in zip(minutes, mebibytes, strict=True)
    ]
    noise = max(off) - min(off)
    p99_before = median([window.p99_ms for window in warm[:third]])
    p99_after = median([window.p99_ms for window in warm[-third:]])
    files_before = max(window.open_files for window in warm[:third])
    files_after = max(window.open_files for window in warm[-third:])
    return [
        told("traffic", rate, "webhooks/s"),
        told("minutes", windows[-1].minutes, ""),
        exactly("not answered 200", sum(window.errors for window in windows), "", 0),
        told("memory at the end", mebibytes[-1], "MiB"),
        told("its scatter around its trend", noise, "MiB"),
        at_most(
            "its trend over the last two thirds, in scatters",
            slope * (minutes[-1] - minutes[0]) / noise if noise else 0,
            "",
            1,
        ),
        at_most("more open files in the last third", files_after - files_before, "", 0),
        told("p99, second third", p99_before, "ms"),
        told("p99, last third", p99_after, "ms"),
        at_most(
            "p99 in the last third, times that in the second", p99_after / p99_before, "", WORSE
        ),
    ]
