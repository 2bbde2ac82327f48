"""Who was first? What became of each message of a batch, the same for every database."""

from collections.abc import Mapping, Sequence

from service.schemas import Message
from service.store.port import Outcome, Row, StoreError


def first_of_each(messages: Sequence[Message]) -> dict[str, Message]:
    """By id, the message that counts: of a batch's own duplicates, the first."""
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message.message_id, message)
    return first


def classify(
    messages: Sequence[Message],
    first: Mapping[str, Message],
    created: set[str],
    stored: Mapping[str, Row],
) -> list[Outcome]:
    """One outcome a message, in their order.

    `created` holds the ids that the insert gave back, `stored` the rows of the others. Raises
    StoreError when an id is in neither: the database ignored a message that it does not have.
    """
    if len(created) == len(messages):
        return [Outcome.CREATED] * len(messages)
    if len(created) + len(stored) != len(first):
        raise StoreError("the database neither stored a message nor had it")
    return [_classify(message, first[message.message_id], created, stored) for message in messages]


def _classify(
    message: Message, first: Message, created: set[str], stored: Mapping[str, Row]
) -> Outcome:
    winner: Message | Row = first
    if message.message_id not in created:
        winner = stored[message.message_id]
    elif message is first:
        return Outcome.CREATED
    return Outcome.DUPLICATE if _fields(message) == _fields(winner) else Outcome.CONFLICT


def _fields(message: Message | Row) -> tuple[str, str, int, str | None]:
    return (message.from_msisdn, message.to_msisdn, message.ts, message.text)
