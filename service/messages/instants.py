"""Instants: RFC 3339 for clients, microseconds since 1970-01-01T00:00:00Z in the service."""

import functools
from datetime import UTC, datetime, timedelta

RFC3339_UTC = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z"
)
RFC3339_RULE = "an RFC 3339 instant in UTC that ends in Z, up to microseconds, and a real date"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TWO_DIGITS = [f"{number:02d}" for number in range(60)]


def parse_instant(text: str) -> int:
    """Microseconds since 1970 of a text that matches RFC3339_UTC.

    Raises ValueError if there is no such date or time of day.
    """
    since = datetime.fromisoformat(text) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


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
