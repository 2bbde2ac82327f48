"""The service as it is usually built with FastAPI, pydantic and sqlite3: one commit a request.

The endpoint blocks, so it is a `def`, which FastAPI runs in its pool of 40 threads, as its
documentation says. They share one connection behind a lock: SQLite has one writer, and threads that
queue for a lock of Python's are served faster and in better order than those that sleep and try
again for SQLite's.
"""

import sqlite3
import threading
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import ValidationError

from tests.bench.baselines.contract import (
    BODY_BYTES_MAX,
    DATABASE,
    INSERT,
    PRAGMAS,
    SCHEMA,
    Accepted,
    Message,
    explain,
    is_signed,
)

app = FastAPI()
connection = sqlite3.connect(DATABASE, check_same_thread=False)
lock = threading.Lock()

for pragma in PRAGMAS:
    connection.execute(pragma)
connection.executescript(SCHEMA)


async def signed_body(request: Request) -> bytes:
    """The request's body; refuses one that is too long, or not signed."""
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise HTTPException(413, "the body is too large")
    if not is_signed(body, request.headers.getlist("x-signature")):
        raise HTTPException(401, "invalid signature")
    return body


@app.post("/webhook")
def receive(body: Annotated[bytes, Depends(signed_body)]) -> Accepted:
    """Store a message, durably and once."""
    try:
        message = Message.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, explain(error.errors())) from None
    with lock, connection:
        connection.execute(INSERT, message.model_dump())
    return Accepted()
