"""What the baselines share: the service's promises, built with the usual tools.

The rules of a message as a pydantic model, the signature check, and the same durable SQLite.
"""

import hmac
import os
import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

SECRET = os.environ["WEBHOOK_SECRET"].encode()
DATABASE = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
BODY_BYTES_MAX = 1_048_576

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 30000",
)
"""Of every connection: as durable as the service."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL UNIQUE,
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts TEXT NOT NULL,
    text TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS messages_by_ts ON messages (ts, message_id);
CREATE INDEX IF NOT EXISTS messages_by_from ON messages (from_msisdn, ts, message_id);
CREATE INDEX IF NOT EXISTS messages_by_to ON messages (to_msisdn, ts, message_id);
"""
"""The service's indexes of messages. The service also keeps counts and a search index."""

INSERT = """
INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text)
VALUES (:message_id, :from_msisdn, :to_msisdn, :ts, :text)
ON CONFLICT (message_id) DO NOTHING
"""

_rfc3339_utc = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain U+0000")
    return value


def _not_blank(value: str) -> str:
    if value.isspace():
        raise ValueError("must not be all white space")
    return value


def _instant(value: str) -> str:
    if not _rfc3339_utc.fullmatch(value):
        raise ValueError("must be RFC 3339 in UTC, ending in Z")
    # One form for all, so that texts sort as instants do.
    return datetime.fromisoformat(value).isoformat(timespec="microseconds")


Msisdn = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{1,14}$")]


class Message(BaseModel):
    """A webhook's body."""

    message_id: Annotated[
        str,
        Field(min_length=1, max_length=255),
        AfterValidator(_not_blank),
        AfterValidator(_without_nul),
    ]
    from_msisdn: Annotated[Msisdn, Field(alias="from")]
    to_msisdn: Annotated[Msisdn, Field(alias="to")]
    ts: Annotated[str, AfterValidator(_instant)]
    text: Annotated[str, Field(max_length=4096), AfterValidator(_without_nul)] | None = None


class Accepted(BaseModel):
    """The answer."""

    status: str = "ok"


async def signed_body(request: Request) -> bytes:
    """The request's body; refuses one that is too long, or not signed."""
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise HTTPException(413, "the body is too large")
    expected = hmac.new(SECRET, body, "sha256").hexdigest().encode()
    headers = request.headers.getlist("x-signature")
    given = [header.lower().removeprefix("sha256=").encode() for header in headers]
    if len(given) != 1 or not hmac.compare_digest(expected, given[0]):
        raise HTTPException(401, "invalid signature")
    return body


def parse(body: bytes) -> Message:
    """The message; refuses one that breaks a rule, with a sentence that says which."""
    try:
        return Message.model_validate_json(body)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        raise HTTPException(422, "; ".join(found)) from None
