"""Whether something else runs on the machine."""

import os
import time

from tests.bench.watch import Watch

QUIET_LOAD = 0.3
"""Load average of the last minute above which figures are not what they could be."""

QUIET_SECONDS_MAX = 180
"""In which a load average of 6 falls to that on a machine that has become idle."""


def wait_until_quiet(watch: Watch, seconds_max: float = QUIET_SECONDS_MAX) -> float:
    """The load average, when what ran before is out of it; after `seconds_max` whatever it is."""
    give_up_at = time.monotonic() + seconds_max
    if os.getloadavg()[0] > QUIET_LOAD and seconds_max:
        watch.say(f"Waiting until the machine is idle, for at most {seconds_max:g} s.")
    while (load := os.getloadavg()[0]) > QUIET_LOAD and time.monotonic() < give_up_at:
        time.sleep(1)
    if load > QUIET_LOAD:
        watch.say(f"The machine is not idle (load average {load:.2f}): figures will suffer.")
    return load
