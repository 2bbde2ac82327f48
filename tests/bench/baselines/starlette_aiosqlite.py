"""The service as it is usually built with Starlette and aiosqlite: one commit a request.

One connection for the application; each request awaits `execute` and `commit`. Requests that wait
together share one transaction, and the first commit stores all of them: half a group commit, by
accident. This makes it fast, and has a defect: if that commit fails, the other commits find nothing
to do, and answer 200. A transaction for each request has no defect, and half of the speed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.bench.baselines.contract import DATABASE, INSERT, PRAGMAS, SCHEMA, parse, signed_body


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
    message = parse(await signed_body(request))
    connection: aiosqlite.Connection = request.app.state.connection
    await connection.execute(INSERT, message.model_dump())
    await connection.commit()
    return JSONResponse({"status": "ok"})


app = Starlette(routes=[Route("/webhook", receive, methods=["POST"])], lifespan=lifespan)
