"""The responses of the document: what a route answers, and what its errors make of it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from service.api.answers import Refusal
from service.api.asgi import JSON
from service.errors import (
    BodyTooLarge,
    InvalidMessage,
    InvalidParameter,
    InvalidSignature,
    RequestError,
    TooSlow,
    Unauthorized,
    Unavailable,
)

Fragment = dict[str, Any]
"""A part of the document, in OpenAPI's own words."""

JSON_TYPE = JSON[1].decode()

MEANINGS: dict[type[RequestError], str] = {
    InvalidSignature: "The signature is missing or wrong.",
    Unauthorized: "The `READ_TOKEN` is missing or wrong.",
    BodyTooLarge: "The body is larger than `MAX_BODY_BYTES`.",
    InvalidMessage: "Not a valid message: `detail` names the field and its rule.",
    InvalidParameter: "`detail` names the parameter and its rule.",
    Unavailable: "Not now: try again.",
    TooSlow: "The read took longer than `QUERY_TIMEOUT_SECONDS`: `detail` says how to narrow it.",
}

TRANSPORT_REFUSALS = {
    "400": ("The request is not valid HTTP/1.1.", "the request must be valid HTTP/1.1"),
    "408": (
        "The request's head or body did not arrive in time.",
        "the request's body must arrive within 30 s",
    ),
    "431": (
        "The request's line and headers are too large: a `q` can be too long, too.",
        "the request's head must have at most 32 KiB",
    ),
}
"""By status, what any request can get before it is known what it asks for: meaning and example."""

HEADERS = {
    b"retry-after": ("Retry-After", "Seconds to wait before the next try."),
    b"www-authenticate": ("WWW-Authenticate", "Always `Bearer`."),
}
"""What errors send: the name as it is written, and what it means."""


def refer(kind: str, name: str) -> Fragment:
    """A reference to one of the document's components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def answer(description: str, content: Fragment, headers: Fragment | None = None) -> Fragment:
    """A response with `content` by media type."""
    return {
        "description": description,
        "headers": {"X-Request-ID": refer("headers", "RequestId"), **(headers or {})},
        "content": content,
    }


def answer_json(struct: type, example: object, description: str) -> Fragment:
    """A response that is this struct, with an example of it."""
    schema = refer("schemas", struct.__name__)
    content = {"schema": schema, "example": msgspec.to_builtins(example)}
    return answer(description, {JSON_TYPE: content})


def text(example: str) -> Fragment:
    """The content of a media type that is no JSON."""
    return {"schema": {"type": "string"}, "example": example}


def header(description: str, *, is_required: bool = True) -> Fragment:
    """A header of a response."""
    return {"description": description, "required": is_required, "schema": {"type": "string"}}


def link(operation_id: str, description: str, parameters: Fragment) -> Fragment:
    """What can be asked next, with parameters taken from this request or its answer."""
    return {"operationId": operation_id, "parameters": parameters, "description": description}


def refusals(errors: Iterable[RequestError]) -> Fragment:
    """The responses, by status, that these errors make; their texts are the examples."""
    groups: dict[int, list[RequestError]] = {}
    for error in errors:
        groups.setdefault(error.status, []).append(error)
    return {str(status): _refusal(group) for status, group in groups.items()}


def transport_refusals() -> Fragment:
    """The responses of `TRANSPORT_REFUSALS`, as components named by their status."""
    return {
        status: answer_json(Refusal, Refusal(detail), meaning)
        for status, (meaning, detail) in TRANSPORT_REFUSALS.items()
    }


def _refusal(errors: Sequence[RequestError]) -> Fragment:
    meanings = dict.fromkeys(MEANINGS[type(error)] for error in errors)
    examples = {type(error).__name__: {"value": {"detail": error.detail}} for error in errors}
    content = {"schema": refer("schemas", Refusal.__name__), "examples": examples}
    return answer(" ".join(meanings), {JSON_TYPE: content}, _headers(errors))


def _headers(errors: Sequence[RequestError]) -> Fragment:
    """The headers of some of these errors; required where all of them have it."""
    sent = [dict(error.headers) for error in errors]
    shown: Fragment = {}
    for field in (field for headers in sent for field in headers):
        name, meaning = HEADERS[field]
        shown[name] = header(meaning, is_required=all(field in headers for headers in sent))
    return shown
