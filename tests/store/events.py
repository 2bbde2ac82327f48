"""Events for the store's tests."""

from typing import Any

import msgspec

from service.messages.event import Event
from service.store.interface import EventRow
from tests.store.messages import NOON


def event(event_id: str, **changes: Any) -> Event:
    """An event as the service hands it to the store."""
    plain = Event(
        source="github",
        event_id=event_id,
        type="push",
        received_at=NOON,
        headers='{"x-github-event":"push"}',
        content_type="application/json",
        body=b'{"ref": "main"}',
        problem=None,
    )
    return msgspec.structs.replace(plain, **changes)


def row(event: Event) -> EventRow:
    """What the store must give back for an event that it took."""
    columns = msgspec.structs.asdict(event) | {
        "message_ids": tuple(sorted(event.list_message_ids()))
    }
    return EventRow(**{name: columns[name] for name in EventRow._fields})
