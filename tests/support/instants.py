"""RFC 3339 for the tests, read without the service's code."""

import calendar
import re
import time

RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
SECOND_FIRST, SECOND_LAST = -62_135_596_800, 253_402_300_799


def read_instant(text: str) -> int | None:
    """Microseconds since 1970; None if the text is no instant of the years 1 to 9999."""
    found = RFC3339.fullmatch(text)
    if found is None:
        return None
    date, clock, fraction, sign, hours, minutes = found.groups()
    try:
        second = calendar.timegm(time.strptime(f"{date} {clock}", "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        second -= offset if sign == "+" else -offset
    if not SECOND_FIRST <= second <= SECOND_LAST or clock.endswith(":61"):
        return None
    if clock.endswith(":60") and time.gmtime(second)[2:6] != (1, 0, 0, 0):
        return None
    return second * 1_000_000 + int((fraction or "")[:6].ljust(6, "0"))
