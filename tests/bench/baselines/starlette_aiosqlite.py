"""The service as it is usually built with Starlette and aiosqlite: one commit a request.

One connection for the application, `execute` and `commit` awaited by each request. Requests that
wait at the same time have their rows in one transaction, and the first commit carries them all:
half a group commit, found by accident, and the reason for this baseline's speed. (It has a hole:
when that commit fails, the others' commits find nothing to do, and say 200. A transaction for each
request, with `isolation_level=None` or a lock, has no hole, and a half or a quarter of the speed.)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.bench.baselines.contract import (
    BODY_BYTES_MAX,
    DATABASE,
    INSERT,
    PRAGMAS,
    SCHEMA,
    Message,
    explain,
    is_signed,
)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the database, and close it."""
    async with aiosqlite.connect(DATABASE) as connection:
        for pragma in PRAGMAS:
            await connection.execute(pragma)
        await connection.executescript(SCHEMA)
        app.state.connection = connection
        yield


async def receive(request: Request) -> JSONResponse:
    """Store a message, durably and once."""
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise HTTPException(413, "the body is too large")
    if not is_signed(body, request.headers.getlist("x-signature")):
        raise HTTPException(401, "invalid signature")
    try:
        message = Message.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, explain(error.errors())) from None
    connection: aiosqlite.Connection = request.app.state.connection
    await connection.execute(INSERT, message.model_dump())
    await connection.commit()
    return JSONResponse({"status": "ok"})


app = Starlette(routes=[Route("/webhook", receive, methods=["POST"])], lifespan=lifespan)
