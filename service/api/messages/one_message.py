"""GET /messages/{message_id}: one message."""

from starlette.types import Receive, Scope, Send

from service.api.answers import encode, send_json, show_one
from service.api.parameters import parse_message_id
from service.api.paths import read_ids
from service.errors import NoSuchMessage
from service.store.interface import Filter, Store


class OneMessage:
    """Answers the message whose percent-encoded id ends the path."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message_id = _read_id(scope)
        rows = await self._store.page(Filter(message_id=message_id), None, 0, 1)
        if not rows:
            raise NoSuchMessage
        event = await self._store.event_of_message(message_id)
        await send_json(send, 200, encode(show_one(rows[0], event)))


def _read_id(scope: Scope) -> str:
    try:
        return parse_message_id(*read_ids(scope))
    except ValueError:
        raise NoSuchMessage from None
