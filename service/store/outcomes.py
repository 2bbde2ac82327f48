"""Who was first? What became of each part of a batch, the same for every database."""

from collections.abc import Iterable, Mapping, Sequence

from service.messages.event import Event
from service.messages.message import Message
from service.store.interface import Mended, Outcome, Row, StoreError


def first_of_each(messages: Sequence[Message]) -> dict[str, Message]:
    """By id, the message that counts: of a batch's own duplicates, the first."""
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message.message_id, message)
    return first


def classify(
    messages: Sequence[Message],
    first: Mapping[str, Message],
    created_count: int,
    stored: Sequence[Row],
) -> list[Outcome]:
    """One outcome a message, in their order.

    `created_count` is how many the database has just stored, `stored` what it had of them before.
    Raises StoreError when the two do not add up: it ignored a message that it does not have.
    """
    if created_count + len(stored) != len(first):
        raise StoreError("the database neither stored a message nor had it")
    winners: dict[str, Message | Row] = {**first, **{row.message_id: row for row in stored}}
    created = first.keys() - {row.message_id for row in stored}
    outcomes: list[Outcome] = []
    for message in messages:
        if message.message_id in created:
            created.discard(message.message_id)
            outcomes.append(Outcome.CREATED)
        else:
            is_same = _fields(message) == _fields(winners[message.message_id])
            outcomes.append(Outcome.DUPLICATE if is_same else Outcome.CONFLICT)
    return outcomes


def classify_events(
    events: Sequence[Event], created_count: int, stored: Mapping[int, bool]
) -> list[Outcome]:
    """One outcome an event, in their order.

    `created_count` is how many the database has just stored. `stored` has the others by their
    place in the batch, and whether the body there is the same. Raises StoreError as `classify`.
    """
    first: dict[tuple[str, str], Event] = {}
    outcomes: list[Outcome] = []
    for place, event in enumerate(events):
        winner = first.setdefault((event.source, event.event_id), event)
        if place not in stored and winner is event:
            outcomes.append(Outcome.CREATED)
        else:
            is_same = stored.get(place, event.body == winner.body)
            outcomes.append(Outcome.DUPLICATE if is_same else Outcome.CONFLICT)
    if outcomes.count(Outcome.CREATED) != created_count:
        raise StoreError("the database neither stored an event nor had it")
    return outcomes


def list_created(events: Sequence[Event], outcomes: Sequence[Outcome]) -> list[Event]:
    """The events that the batch has just stored."""
    return [
        event for event, outcome in zip(events, outcomes, strict=True) if outcome is Outcome.CREATED
    ]


def list_links(found: Iterable[Event | Mended]) -> list[tuple[str, str, str]]:
    """Which event brought a message: (message_id, source, event_id)."""
    return [
        (message_id, each.source, each.event_id)
        for each in found
        for message_id in each.list_message_ids()
    ]


def _fields(message: Message | Row) -> tuple[str, str, int, str | None]:
    return (message.from_msisdn, message.to_msisdn, message.ts, message.text)
