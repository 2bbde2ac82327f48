"""The service as it is usually built with FastAPI, pydantic and asyncpg: one INSERT a request.

A pool of connections that the application opens when it starts, as asyncpg's documentation says,
and an `async def` endpoint. A statement alone is a transaction, and durable when it returns;
asyncpg keeps it prepared. The pool has as many connections as the service has at most.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import ValidationError

from service.store.postgres import store as postgres
from tests.bench.baselines.contract import BODY_BYTES_MAX, Accepted, Message, explain, is_signed

CONNECTIONS = postgres.BATCHES_IN_FLIGHT + postgres.READERS + postgres.SEARCHERS + 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    message_id TEXT COLLATE "C" PRIMARY KEY,
    from_msisdn TEXT COLLATE "C" NOT NULL,
    to_msisdn TEXT COLLATE "C" NOT NULL,
    ts TIMESTAMPTZ NOT NULL,
    text TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS messages_by_ts ON messages (ts, message_id);
CREATE INDEX IF NOT EXISTS messages_by_from ON messages (from_msisdn, ts, message_id);
CREATE INDEX IF NOT EXISTS messages_by_to ON messages (to_msisdn, ts, message_id);
"""
"""The service's indexes of messages; it keeps counts and a search index besides."""

INSERT = """
INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (message_id) DO NOTHING
"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool, and close it."""
    url = os.environ["DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await pool.execute(SCHEMA)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


async def signed_body(request: Request) -> bytes:
    """The request's body; refuses one that is too long, or not signed."""
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise HTTPException(413, "the body is too large")
    if not is_signed(body, request.headers.getlist("x-signature")):
        raise HTTPException(401, "invalid signature")
    return body


@app.post("/webhook")
async def receive(body: Annotated[bytes, Depends(signed_body)]) -> Accepted:
    """Store a message, durably and once."""
    try:
        message = Message.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, explain(error.errors())) from None
    ts = datetime.fromisoformat(message.ts)
    await app.state.pool.execute(
        INSERT, message.message_id, message.from_msisdn, message.to_msisdn, ts, message.text
    )
    return Accepted()
