"""What no description says, told to schemathesis.

How to sign, which cursors and ids exist, and that `excel` goes with CSV.

`tests/api/test_openapi_schemathesis.py` names this module in SCHEMATHESIS_HOOKS. Only requests that
are meant to be valid are changed: what schemathesis breaks on purpose stays broken.
"""

from typing import Any
from urllib.parse import urlencode

import schemathesis
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis.core.parameters import ParameterLocation

from service.api.cursors import encode_cursor, encode_event_cursor
from service.api.events.page import parse_query
from service.api.parameters import FILTERS, read_filter
from service.store.interface import EventPosition, Position
from tests.support.service import SECRET, signature

HANDSHAKE = {"hub.mode": "subscribe", "hub.verify_token": SECRET, "hub.challenge": "1158201444"}
"""Meta's."""


@schemathesis.hook
def before_call(
    _context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    if case.operation.path == "/webhook" and _is_right(case, ParameterLocation.HEADER):
        kwargs["auth"] = Signature()
    if case.operation.path == "/webhook/{source}" and _is_right(case, ParameterLocation.PATH):
        # WhatsApp has a handshake, and so every method of the path.
        case.path_parameters["source"] = "github" if case.method == "POST" else "whatsapp"
        kwargs["auth"] = SignatureOfGithub()
        if case.method in ("GET", "HEAD") and _is_right(case, ParameterLocation.QUERY):
            case.query |= HANDSHAKE
    if "message_id" in case.path_parameters and _is_right(case, ParameterLocation.PATH):
        case.path_parameters["message_id"] = "m-1"
    if "event_id" in case.path_parameters and _is_right(case, ParameterLocation.PATH):
        case.path_parameters |= {"source": "github", "event_id": "e-1"}
    if case.query.get("format") != "csv" and _is_right(case, ParameterLocation.QUERY):
        case.query.pop("excel", None)
    if "cursor" in case.query and _is_right(case, ParameterLocation.QUERY):
        is_of_events = case.operation.path == "/events"
        case.query["cursor"] = (_event_cursor_of if is_of_events else _cursor_of)(case.query)
        case.query.pop("offset", None)


class Signature(AuthBase):
    """Signs the bytes that are about to be sent."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        assert isinstance(body, bytes)
        request.headers["X-Signature"] = signature(body)
        return request


class SignatureOfGithub(AuthBase):
    """The same, as GitHub does."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        assert isinstance(body, bytes)
        request.headers["X-Hub-Signature-256"] = f"sha256={signature(body)}"
        return request


def _is_right(case: schemathesis.Case[Any], location: ParameterLocation) -> bool:
    return case.meta is None or not case.meta.is_negative_at(location)


def _cursor_of(query: dict[str, Any]) -> str:
    """A cursor that an earlier page of the same walk could have given out."""
    chosen = read_filter({name: query[name] for name in FILTERS if name in query})
    walked = chosen._replace(is_descending=query.get("order") == "desc")
    return encode_cursor(Position(0, "m-1"), walked)


def _event_cursor_of(query: dict[str, Any]) -> str:
    """The same for events."""
    given = {name: value for name, value in query.items() if name != "cursor"}
    chosen = parse_query(urlencode(given).encode()).chosen
    return encode_event_cursor(EventPosition(0, "github", "e-1"), chosen)
