"""Instants: RFC 3339 for clients, microseconds since 1970-01-01T00:00:00Z in the service."""

import functools
from datetime import UTC, datetime, timedelta

RFC3339 = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\Z"
)
RFC3339_RULE = "an RFC 3339 instant with Z or an offset, and a real date"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_FIRST = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z: Python's calendar begins there."""
INSTANT_LAST = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z: a year of RFC 3339 has four digits."""

_TWO_DIGITS = [f"{number:02d}" for number in range(60)]


def parse_instant(text: str) -> int:
    """Microseconds since 1970 of a text that matches RFC3339. Further fraction digits are cut.

    A leap second is the same instant as the second after it, as in POSIX. Raises ValueError if
    there is no such date or time of day, or if the instant is outside INSTANT_FIRST to
    INSTANT_LAST.
    """
    try:
        since = datetime.fromisoformat(text) - EPOCH
    except ValueError:
        return _parse_rare_form(text)
    instant = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if not INSTANT_FIRST <= instant <= INSTANT_LAST:
        raise ValueError
    return instant


def _parse_rare_form(text: str) -> int:
    """The instant of a text with a lower-case `t` or `z`, or of a leap second."""
    upper = text.upper()
    if upper[17:19] == "60":
        second_before = parse_instant(f"{upper[:17]}59{upper[19:]}")
        instant = second_before + 1_000_000
        # A leap second is the last second of a month in UTC (RFC 3339, 5.7).
        if instant <= INSTANT_LAST and format_instant(instant)[8:19] == "01T00:00:00":
            return instant
    elif upper != text:
        return parse_instant(upper)
    raise ValueError


def format_instant(microseconds: int) -> str:
    """RFC 3339 in UTC, without needless fraction digits."""
    minutes, rest = divmod(microseconds, 60_000_000)
    seconds, fraction = divmod(rest, 1_000_000)
    if not fraction:
        return f"{_format_minute(minutes)}{_TWO_DIGITS[seconds]}Z"
    return f"{_format_minute(minutes)}{_TWO_DIGITS[seconds]}.{fraction:06d}".rstrip("0") + "Z"


@functools.lru_cache(1024)
def _format_minute(minutes: int) -> str:
    """All but the seconds. Messages arrive about in order, so most share it with the one before."""
    return (EPOCH + timedelta(minutes=minutes)).isoformat()[: len("YYYY-MM-DDTHH:MM:")]
