"""What an error of the server means: its text without a client's data, and a lost connection."""

import asyncpg

QUOTING_CLASSES = ("22", "23")
"""Errors of the data. Their text may quote it (PostgreSQL, Appendix A)."""

LOST_CLASSES = ("08", "25", "53", "57", "58")
"""Errors of the connection or the server. A new connection finds the server that writes, when the
URL names several: a primary that was replaced answers 25006."""


def describe_error(error: Exception) -> str:
    """What went wrong, without anything that a client sent."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or "unknown"
        if _class_of(error) in QUOTING_CLASSES:
            return f"{type(error).__name__} ({code})"
        return f"{error.args[0] if error.args else type(error).__name__} ({code})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def is_lost(error: asyncpg.PostgresError) -> bool:
    """Whether the next statement needs another connection."""
    return _class_of(error) in LOST_CLASSES


def _class_of(error: asyncpg.PostgresError) -> str:
    return str(error.sqlstate or "")[:2]
