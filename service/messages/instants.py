"""Instants: RFC 3339 outside, microseconds since 1970-01-01T00:00:00Z inside the service."""

import functools
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

RFC3339_UTC = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z"
)


RFC3339_RULE = "an RFC 3339 instant in UTC that ends in Z, up to microseconds, and a real date"

Instant = Annotated[
    str,
    msgspec.Meta(
        pattern=RFC3339_UTC, description=RFC3339_RULE, extra_json_schema={"format": "date-time"}
    ),
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TWO_DIGITS = [f"{number:02d}" for number in range(60)]


def parse_instant(text: str) -> int:
    """Microseconds since 1970 of an instant of the shape RFC3339_UTC.

    Raises ValueError where there is no such date or time of day.
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
    """All but the seconds. Messages come in the order of time: most share it with the last one."""
    return (EPOCH + timedelta(minutes=minutes)).isoformat()[: len("YYYY-MM-DDTHH:MM:")]
