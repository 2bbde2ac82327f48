"""The service as it is usually built with FastAPI, pydantic and asyncpg: one INSERT a request.

A pool of connections that the application opens at its start, as asyncpg's documentation says, and
an `async def` endpoint. A single statement is a transaction, and durable when it returns; asyncpg
keeps it prepared.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI

from tests.bench.baselines.contract import Accepted, parse, signed_body

CONNECTIONS = 9
"""As many as the service has."""

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
"""The service's indexes of messages. The service also keeps counts and a search index."""

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


@app.post("/webhook")
async def receive(body: Annotated[bytes, Depends(signed_body)]) -> Accepted:
    """Store a message, durably and once."""
    message = parse(body)
    ts = datetime.fromisoformat(message.ts)
    await app.state.pool.execute(
        INSERT, message.message_id, message.from_msisdn, message.to_msisdn, ts, message.text
    )
    return Accepted()
