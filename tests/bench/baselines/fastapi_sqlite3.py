"""The service as it is usually built with FastAPI, pydantic and sqlite3: one commit a request.

The endpoint blocks, so it is a `def`, which FastAPI runs in its pool of 40 threads. The threads
share one connection and a lock: SQLite has one writer, and a lock of Python's is faster and fairer
than SQLite's, for which threads sleep and try again.
"""

import sqlite3
import threading
from typing import Annotated

from fastapi import Depends, FastAPI

from tests.bench.baselines.contract import (
    DATABASE,
    INSERT,
    PRAGMAS,
    SCHEMA,
    Accepted,
    parse,
    signed_body,
)

app = FastAPI()
connection = sqlite3.connect(DATABASE, check_same_thread=False)
lock = threading.Lock()

for pragma in PRAGMAS:
    connection.execute(pragma)
connection.executescript(SCHEMA)


@app.post("/webhook")
def receive(body: Annotated[bytes, Depends(signed_body)]) -> Accepted:
    """Store a message, durably and once."""
    message = parse(body)
    with lock, connection:
        connection.execute(INSERT, message.model_dump())
    return Accepted()
