"""Which route a path with ids in it belongs to."""

from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.types import Scope

from service.api.parameters import refuse_stray_percent_sign

SOURCE_WEBHOOK = "/webhook/{source}"
ONE_MESSAGE = "/messages/{message_id}"
ONE_EVENT = "/events/{source}/{event_id}"
EVENT_BODY = "/events/{source}/{event_id}/body"

PATH_IDS = "path_ids"
"""Where the scope has the ids of the path, as they arrived."""


def match_template(raw_path: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The template of a path, and its ids as they arrived. Raises HTTPException: 404.

    A slash of an id arrives as %2F. `scope["path"]` has it decoded, so it can't tell.
    """
    match raw_path.split(b"/"):
        case [b"", b"messages", message_id] if message_id:
            return ONE_MESSAGE, (message_id,)
        case [b"", b"events", source, event_id] if source and event_id:
            return ONE_EVENT, (source, event_id)
        case [b"", b"events", source, event_id, b"body"] if source and event_id:
            return EVENT_BODY, (source, event_id)
    raise HTTPException(404)


def read_ids(scope: Scope) -> list[str]:
    """The decoded ids of the path. Raises ValueError for what no stored id holds."""
    return [_decode(encoded) for encoded in scope[PATH_IDS]]


def _decode(encoded: bytes) -> str:
    refuse_stray_percent_sign(encoded)
    text = unquote_to_bytes(encoded).decode()
    if "\0" in text:
        raise ValueError
    return text
