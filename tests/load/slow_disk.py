"""The service on a slow disk: a message takes 2 ms to store, so the peak is 500 a second."""

import sqlite3
import sys
import time
from collections.abc import Sequence

from service.__main__ import main
from service.messages.message import Message
from service.store.interface import Outcome
from service.store.sqlite.store import SqliteStore

MESSAGE_SECONDS = 0.002


def slow_down() -> None:
    """Let every batch wait in the writer's thread before it is stored."""
    insert = SqliteStore._insert

    def insert_slowly(
        store: SqliteStore, connection: sqlite3.Connection, messages: Sequence[Message]
    ) -> list[Outcome]:
        time.sleep(len(messages) * MESSAGE_SECONDS)
        return insert(store, connection, messages)

    setattr(SqliteStore, "_insert", insert_slowly)  # noqa: B010


if __name__ == "__main__":
    slow_down()
    sys.exit(main())
