"""Compares the messages in a PostgreSQL database with counts, pending batches and index."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres.databases import Databases, connected

PENDING_COUNTS = "SELECT coalesce(sum(message_count), 0) FROM pending_counts"
PENDING_TEXTS = "SELECT coalesce(sum(message_count), 0) FROM pending_texts"

EMPTY = {
    "wrong counts of senders": (
        "(SELECT from_msisdn, sum(message_count) FROM ("
        "   SELECT from_msisdn, message_count FROM senders"
        "   UNION ALL SELECT unnest(from_msisdns), 1 FROM pending_counts) AS counts GROUP BY 1)"
        " EXCEPT (SELECT from_msisdn, count(*) FROM messages GROUP BY 1)"
    ),
    "wrong counts of recipients": (
        "(SELECT to_msisdn, sum(message_count) FROM ("
        "   SELECT to_msisdn, message_count FROM recipients"
        "   UNION ALL SELECT unnest(to_msisdns), 1 FROM pending_counts) AS counts GROUP BY 1)"
        " EXCEPT (SELECT to_msisdn, count(*) FROM messages GROUP BY 1)"
    ),
    "wrong totals": (
        "SELECT sum(message_count) FROM ("
        "   SELECT message_count FROM totals"
        "   UNION ALL SELECT message_count FROM pending_counts) AS counts"
        " EXCEPT SELECT count(*) FROM messages"
    ),
    "messages that no search finds": (
        "SELECT message_id FROM messages WHERE text IS NOT NULL"
        " EXCEPT (SELECT message_id FROM texts UNION SELECT unnest(message_ids) FROM pending_texts)"
    ),
    "texts without a message": (
        "(SELECT message_id FROM texts UNION SELECT unnest(message_ids) FROM pending_texts)"
        " EXCEPT SELECT message_id FROM messages"
    ),
    "texts that differ from their messages": (
        "SELECT message_id FROM texts JOIN messages USING (message_id)"
        " WHERE texts.folded_text IS DISTINCT FROM coalesce(messages.folded_text, messages.text)"
    ),
    "texts that are both in the index and pending": (
        "SELECT message_id FROM texts INTERSECT SELECT unnest(message_ids) FROM pending_texts"
    ),
}
"""What must never be there, and the SQL that finds it."""


def find_damage(databases: Databases, name: str) -> Iterator[str]:
    """Each fault in the database of that name."""
    for what, sql in EMPTY.items():
        if found := databases.admin(sql, name):
            yield f"{len(found)} {what}: {tuple(found[0])}"


def stored_ids(databases: Databases, name: str) -> list[str]:
    """The ids of all messages, each as often as it is in the table. The expression keeps PostgreSQL
    from reading an index instead."""
    rows = databases.admin("SELECT message_id || '' FROM messages", name)
    return [row[0] for row in rows]


def is_indexed(databases: Databases, name: str) -> bool:
    """Whether every message is in the counts and in the index of texts."""
    return not any(databases.admin(sql, name)[0][0] for sql in (PENDING_COUNTS, PENDING_TEXTS))


@contextmanager
def not_indexed(url: str) -> Iterator[None]:
    """Inside, batches stay pending: it holds the lock that applies them."""
    with connected(url) as run:
        run("BEGIN")
        run("SELECT FROM totals FOR UPDATE")
        yield
        run("ROLLBACK")
