"""Reads a database and its index by SQL, and finds damage and differences."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from service.store.sqlite.connection import driver
from service.store.sqlite.index_file import index_path
from service.store.sqlite.reads import match_parts
from tests.faults.traffic import COMMON, unique_word

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
    """The ids of all messages, with repetitions."""
    with closing(_connect(database)) as connection:
        return [row[0] for row in connection.execute("SELECT message_id FROM messages")]


def is_indexed(database: Path) -> bool:
    """Whether the index has every message."""
    missing = "SELECT (SELECT ifnull(max(seq), 0) FROM messages) - (SELECT seq FROM indexed)"
    with closing(_connect(database)) as connection:
        return bool(connection.execute(missing).fetchone()[0] == 0)


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
