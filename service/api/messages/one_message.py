"""GET /messages/{message_id}: one message."""

from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope, Send

from service.api.answers import encode, send_json, show
from service.api.parameters import parse_message_id, refuse_stray_percent_sign
from service.errors import NoSuchMessage
from service.store.interface import Filter, Store


class OneMessage:
    """Answers the message whose percent-encoded id ends the path."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = Filter(message_id=_read_id(scope.get("raw_path", b"")))
        rows = await self._store.page(chosen, None, 0, 1)
        if not rows:
            raise NoSuchMessage
        await send_json(send, 200, encode(show(rows[0])))


def split_path(raw_path: bytes) -> tuple[bytes, bytes]:
    """The decoded path before the last slash, and what follows it as it arrived.

    A slash of an id arrives as %2F. `scope["path"]` has it decoded, so it can't tell.
    """
    before, _, last = raw_path.rpartition(b"/")
    return unquote_to_bytes(before), last


def _read_id(raw_path: bytes) -> str:
    _, last = split_path(raw_path)
    try:
        refuse_stray_percent_sign(last)
        return parse_message_id(unquote_to_bytes(last).decode())
    except ValueError:
        raise NoSuchMessage from None
