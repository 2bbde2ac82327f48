"""Reads a database and its index by SQL, and finds damage and differences."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from service.store.sqlite.connection import driver
from service.store.sqlite.index_file import index_path
from service.store.sqlite.reads import match_parts
from tests.faults.traffic import COMMON, Brought, body_of, name_event, unique_word
from tests.support.strategies import Sent

INDEX_OF_MESSAGES = {
    "messages_by_ts": ("ts, message_id, seq", "SELECT ts, message_id, seq FROM {}"),
    "messages_by_from": (
        "from_msisdn, ts, message_id, to_msisdn, seq",
        "SELECT from_msisdn, ts, message_id, to_msisdn, seq FROM {}",
    ),
    "messages_by_to": (
        "to_msisdn, ts, message_id, from_msisdn, seq",
        "SELECT to_msisdn, ts, message_id, from_msisdn, seq FROM {}",
    ),
    "senders": (
        "from_msisdn, message_count",
        "SELECT from_msisdn, count(*) FROM {} GROUP BY from_msisdn",
    ),
    "recipients": (
        "to_msisdn, message_count",
        "SELECT to_msisdn, count(*) FROM {} GROUP BY to_msisdn",
    ),
    "totals": (
        "message_count, sender_count, first_ts, last_ts",
        "SELECT count(*), count(DISTINCT from_msisdn), min(ts), max(ts) FROM {}",
    ),
}
"""The columns of each table of the index, and the query that gives the same from the messages."""


def stored_ids(database: Path) -> list[str]:
    """The ids of all messages, and of the events that bring none; with repetitions."""
    with closing(_connect(database)) as connection:
        rows = connection.execute(
            "SELECT message_id FROM messages"
            " UNION ALL SELECT event_id FROM events WHERE source = 'github'"
        )
        return [row[0] for row in rows]


def is_indexed(database: Path) -> bool:
    """Whether the index has every message."""
    missing = "SELECT (SELECT ifnull(max(seq), 0) FROM messages) - (SELECT seq FROM indexed)"
    with closing(_connect(database)) as connection:
        return bool(connection.execute(missing).fetchone()[0] == 0)


def find_strange_events(database: Path, sent: Mapping[str, Sent]) -> Iterator[str]:
    """Events that were not sent so, byte for byte, or that are stored without their messages."""
    wanted = {
        event: (body_of(each), [each.message_id] if isinstance(each, Brought) else [])
        for each in sent.values()
        if (event := name_event(each))
    }
    with closing(_connect(database)) as connection:
        messages = set(stored_ids(database))
        for source, event_id, body in connection.execute(
            "SELECT source, event_id, body FROM events"
        ).fetchall():
            brought = connection.execute(
                "SELECT message_id FROM event_messages WHERE source = ? AND event_id = ?",
                (source, event_id),
            )
            found = body, [row[0] for row in brought.fetchall()]
            if found != wanted.get((source, event_id)):
                yield f"the event {event_id} of {source} is not as it was sent"
            elif not messages.issuperset(found[1]):
                yield f"the event {event_id} of {source} is stored without its message"
            wanted.pop((source, event_id), None)
        counts = "SELECT source, count(*) FROM events GROUP BY source"
        if connection.execute(
            f"SELECT source, event_count FROM sources EXCEPT {counts}"  # noqa: S608
        ).fetchall():
            yield "the counts of sources do not agree with the events"
    for (source, event_id), (_, brought_ids) in wanted.items():
        if messages.intersection(brought_ids):
            yield f"{brought_ids} of {source} are stored without the event {event_id}"


def find_damage(database: Path) -> Iterator[str]:
    """The damage in the files of a service that has ended."""
    for file in (database, index_path(database)):
        with closing(driver.connect(file)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
            if found != [("ok",)]:
                yield f"integrity_check of {file.name}: {found[:3]}"
    with closing(driver.connect(index_path(database))) as connection:
        try:
            connection.execute("INSERT INTO texts (texts) VALUES ('integrity-check')")
        except driver.Error as error:
            yield f"integrity-check of the search index: {error}"
    with closing(_connect(database)) as connection:
        yield from _find_disagreement(connection)


def _find_disagreement(connection: Any) -> Iterator[str]:
    (indexed,) = connection.execute("SELECT seq FROM indexed").fetchone()
    for table, (columns, query) in INDEX_OF_MESSAGES.items():
        found = f"SELECT {columns} FROM {table}"  # noqa: S608
        wanted = query.format("(SELECT * FROM messages WHERE seq <= :indexed)")
        for there, here in ((found, wanted), (wanted, found)):
            (difference,) = connection.execute(
                f"SELECT count(*) FROM ({there} EXCEPT {here})",  # noqa: S608
                {"indexed": indexed},
            ).fetchone()
            if difference:
                yield f"{table} of the index does not agree with the messages"
    texts = connection.execute(
        "SELECT seq, message_id FROM messages WHERE seq <= ? AND instr(text, ?)", (indexed, COMMON)
    )
    for seq, message_id in texts.fetchall():
        match = match_parts(unique_word(message_id))
        rows = connection.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (match,))
        if rows.fetchall() != [(seq,)]:
            yield f"the search index does not have {message_id}"


def _connect(database: Path) -> Any:
    """A read-only connection, with the index attached."""
    connection = driver.connect(f"{database.as_uri()}?mode=ro", uri=True)
    connection.execute("ATTACH ? AS index_file", (f"{index_path(database).as_uri()}?mode=ro",))
    return connection
