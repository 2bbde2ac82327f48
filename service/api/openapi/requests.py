"""The requests of the document: parameters, with the bounds of their parsers, and the body."""

import json

import msgspec

from service.api.answers import StoredMessage
from service.api.messages import CURSOR_RULE, LIMIT_DEFAULT, LIMIT_MAX, LIMIT_RULE, OFFSET_MAX
from service.api.openapi.answers import JSON_TYPE, Fragment, refer
from service.api.parameters import Q_RULE
from service.api.stream import FORMATS, NDJSON
from service.messages.instants import RFC3339_RULE, Instant
from service.messages.message import E164, E164_RULE, NO_NUL, TEXT_CHARACTERS_MAX, WebhookBody
from service.sources.signature import sign

EXAMPLE_SECRET = b"dev-secret"
"""What `just run` sets."""

EXAMPLE = StoredMessage("m1", "+14155550100", "+18005550199", "2026-11-23T12:00:00Z", "Hello")
"""The message of every example."""

SIGNATURE = """\
The hexadecimal HMAC-SHA256 of the raw body under `WEBHOOK_SECRET`, in either case, with or without
`sha256=` in front.

The example is that of the example's body, byte for byte: two spaces a level, and no line end at
the end. Its secret is `dev-secret`, which `just run` sets. The signature of another body:

    printf %s "$body" | openssl dgst -sha256 -hmac "$WEBHOOK_SECRET"
"""

REQUEST_ID = """\
Comes back in the answer and stands in the log's line, where it is 1 to 128 characters of
`A-Z a-z 0-9 . _ -`; else a fresh one does.
"""

_phone: Fragment = {"type": "string", "pattern": E164.replace(r"\+", "[+ ]")}
_instant = msgspec.json.schema(Instant)

QUERY: dict[str, tuple[str, Fragment]] = {
    "limit": (
        f"How many messages a page has at most: {LIMIT_RULE}.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
    "offset": (
        "How many messages to skip: none if not given. The deeper, the dearer: use a cursor.",
        {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX},
    ),
    "cursor": (
        f"Continues behind a page: {CURSOR_RULE}, and without `offset`.",
        {"type": "string"},
    ),
    "from": (f"Of this sender: {E164_RULE}. In a query string `+` is written `%2B`.", _phone),
    "to": (f"To this recipient: {E164_RULE}.", _phone),
    "since": (f"`ts` is this or later: {RFC3339_RULE}.", _instant),
    "until": (f"`ts` is earlier than this: {RFC3339_RULE}.", _instant),
    "q": (
        f"Part of `text`, in any case and script; `%` and `_` are themselves: {Q_RULE}.",
        {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS_MAX, "pattern": NO_NUL},
    ),
    "total": (
        "`false`: do not count, and answer null.",
        {"type": "boolean", "default": True},
    ),
    "format": (
        "NDJSON: one JSON object a line. CSV: RFC 4180, with a line of names.",
        {"type": "string", "enum": list(FORMATS), "default": NDJSON.name},
    ),
}
"""What each parameter means, and its schema."""


def query_parameter(name: str) -> Fragment:
    """One of `QUERY`."""
    meaning, schema = QUERY[name]
    return {"name": name, "in": "query", "description": meaning, "schema": schema}


def request_id_parameter() -> Fragment:
    """The header that every request may carry."""
    return {
        "name": "X-Request-ID",
        "in": "header",
        "description": REQUEST_ID,
        "schema": {"type": "string"},
    }


def signature_parameter() -> Fragment:
    """The header of a webhook; its example is that of `example_body`."""
    return {
        "name": "X-Signature",
        "in": "header",
        "required": True,
        "description": SIGNATURE,
        "schema": {"type": "string", "pattern": "^([Ss][Hh][Aa]256=)?[0-9A-Fa-f]{64}$"},
        "example": sign(EXAMPLE_SECRET, example_body()),
    }


def webhook_body(body_bytes_max: int) -> Fragment:
    """The body of a webhook."""
    return {
        "required": True,
        "description": f"At most {body_bytes_max:,} bytes (`MAX_BODY_BYTES`).",
        "content": {
            JSON_TYPE: {
                "schema": refer("schemas", WebhookBody.__name__),
                "example": msgspec.to_builtins(EXAMPLE),
            }
        },
    }


def example_body() -> bytes:
    """The example as /docs shows and sends it: as JSON.stringify(example, null, 2) writes it."""
    return json.dumps(msgspec.to_builtins(EXAMPLE), indent=2, ensure_ascii=False).encode()
