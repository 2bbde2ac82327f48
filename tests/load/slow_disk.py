"""The service on a slow disk: a message takes 2 ms to store, so the peak is 500 a second."""

import sqlite3
import sys
import time
from collections.abc import Sequence

from service.__main__ import main
from service.messages.event import Event
from service.messages.message import Message
from service.store.sqlite.writes import Stored, Writes

MESSAGE_SECONDS = 0.002


def slow_down() -> None:
    """Let every batch wait in the writer's thread before it is stored."""
    insert = Writes.insert

    def insert_slowly(
        writes: Writes,
        connection: sqlite3.Connection,
        messages: Sequence[Message],
        events: Sequence[Event],
    ) -> Stored:
        time.sleep((len(messages) + len(events)) * MESSAGE_SECONDS)
        return insert(writes, connection, messages, events)

    setattr(Writes, "insert", insert_slowly)  # noqa: B010


if __name__ == "__main__":
    slow_down()
    sys.exit(main())
