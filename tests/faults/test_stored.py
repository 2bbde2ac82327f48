"""What the suite says of events that are stored half."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.messages.event import Event
from service.messages.message import decode_message
from service.store.sqlite.connection import driver
from service.store.sqlite.store import SqliteStore
from tests.faults.stored import find_strange_events
from tests.faults.traffic import Brought, PlainEvent, body_of, name_event
from tests.support.service import encode
from tests.support.strategies import NOON, Sent

SENT: list[Sent] = [
    kind(f"m-{kind.__name__}", "+4911", "+4922", NOON, 0, "text") for kind in (PlainEvent, Brought)
]


def event_of(sent: Sent) -> Event:
    source, event_id = name_event(sent) or ("", "")
    messages = (decode_message(encode(sent.content())),) if isinstance(sent, Brought) else ()
    return Event(source, event_id, None, 1, "{}", None, body_of(sent), None, messages)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], list[str]]:
    """Runs SQL on a database with both events; gives what is strange then."""
    database = tmp_path / "app.db"

    async def fill() -> None:
        store = SqliteStore(database)
        await store.open()
        await store.insert([], [event_of(each) for each in SENT])
        await store.close()

    def run(sql: str) -> list[str]:
        with closing(driver.connect(database, isolation_level=None)) as connection:
            connection.executescript(sql)
        return list(find_strange_events(database, {each.message_id: each for each in SENT}))

    asyncio.run(fill())
    return run


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("SELECT 1", []),
        ("DELETE FROM messages", ["without its message"]),
        ("DELETE FROM event_messages", ["not as it was sent"]),
        ("UPDATE events SET body = x'00' WHERE source = 'github'", ["not as it was sent"]),
        (
            "DELETE FROM events WHERE source = 'whatsapp'",
            ["counts of sources", "without the event"],
        ),
    ],
)
def test_events_that_are_stored_half_are_told(
    run: Callable[[str], list[str]], harm: str, found: list[str]
) -> None:
    told = run(harm)
    assert len(told) == len(found), told
    assert all(part in each for part, each in zip(found, told, strict=True))
