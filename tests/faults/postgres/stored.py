"""What lies in a PostgreSQL database, read by SQL: do counts, notes and index agree with it?"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres.databases import Databases, connected

UNCOUNTED = "SELECT coalesce(sum(message_count), 0) FROM pending_counts"
UNINDEXED = "SELECT coalesce(sum(message_count), 0) FROM pending_texts"

EMPTY = {
    "counts of senders that are not those of the messages": (
        "(SELECT from_msisdn, sum(message_count) FROM ("
        "   SELECT from_msisdn, message_count FROM senders"
        "   UNION ALL SELECT unnest(from_msisdns), 1 FROM pending_counts) AS noted GROUP BY 1)"
        " EXCEPT (SELECT from_msisdn, count(*) FROM messages GROUP BY 1)"
    ),
    "counts of recipients that are not those of the messages": (
        "(SELECT to_msisdn, sum(message_count) FROM ("
        "   SELECT to_msisdn, message_count FROM recipients"
        "   UNION ALL SELECT unnest(to_msisdns), 1 FROM pending_counts) AS noted GROUP BY 1)"
        " EXCEPT (SELECT to_msisdn, count(*) FROM messages GROUP BY 1)"
    ),
    "a total that is not that of the messages": (
        "SELECT sum(message_count) FROM ("
        "   SELECT message_count FROM totals"
        "   UNION ALL SELECT message_count FROM pending_counts) AS noted"
        " EXCEPT SELECT count(*) FROM messages"
    ),
    "messages whose text no search finds": (
        "SELECT message_id FROM messages WHERE text IS NOT NULL"
        " EXCEPT (SELECT message_id FROM texts UNION SELECT unnest(message_ids) FROM pending_texts)"
    ),
    "texts and notes of no message": (
        "(SELECT message_id FROM texts UNION SELECT unnest(message_ids) FROM pending_texts)"
        " EXCEPT SELECT message_id FROM messages"
    ),
    "texts that are not those of their messages": (
        "SELECT message_id FROM texts JOIN messages USING (message_id)"
        " WHERE texts.text_folded IS DISTINCT FROM coalesce(messages.text_folded, messages.text)"
    ),
    "texts that are both in the index and noted as missing there": (
        "SELECT message_id FROM texts INTERSECT SELECT unnest(message_ids) FROM pending_texts"
    ),
}
"""What must not be there at any time, and the SQL that would find it."""


def find_damage(databases: Databases, name: str) -> Iterator[str]:
    """What is wrong in the database of that name."""
    for what, sql in EMPTY.items():
        if found := databases.admin(sql, name):
            yield f"{len(found)} {what}: {tuple(found[0])}"


def stored_ids(databases: Databases, name: str) -> list[str]:
    """The ids of all messages, as often as they are in the table: no index is asked."""
    rows = databases.admin("SELECT message_id || '' FROM messages", name)
    return [row[0] for row in rows]


def is_indexed(databases: Databases, name: str) -> bool:
    """Whether every message is in the counts and in the index of texts."""
    return not any(databases.admin(sql, name)[0][0] for sql in (UNCOUNTED, UNINDEXED))


@contextmanager
def not_indexed(url: str) -> Iterator[None]:
    """Nothing new is taken into the counts inside: reads add the notes."""
    with connected(url) as run:
        run("BEGIN")
        run("SELECT FROM totals FOR UPDATE")
        yield
        run("ROLLBACK")
