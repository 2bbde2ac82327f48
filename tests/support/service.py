"""What the tests share: signed webhooks, and the application in this process."""

import contextlib
import hashlib
import hmac
import json
import os
import time
from asyncio import Queue, create_task
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from service.app import Application
from service.settings import Settings
from service.telemetry.logs import Log

ROOT = Path(__file__).parents[2]
SECRET = "the-secret-of-the-tests"
UNSIGNED = {"WEBHOOK_SECRET": "", "SOURCE_GITHUB_SECRET": ""}
"""A service that can verify nothing."""

WAIT_SECONDS = 30
"""How long a test waits for what must happen; long enough for a machine under load."""

Json = dict[str, Any]


def message(**changes: Any) -> Json:
    """A valid message; `**{"from": …}` writes what Python has no keyword for."""
    return {
        "message_id": "m-1",
        "from": "+491701234567",
        "to": "+33612345678",
        "ts": "2025-01-15T10:00:00Z",
        "text": "Hello",
    } | changes


def without(field: str) -> Json:
    """A message that lacks one field."""
    return {name: value for name, value in message().items() if name != field}


def encode(content: Json | bytes) -> bytes:
    """The bytes of a body; bytes stay as they are."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """Made without the service's own code, as a sender would make it."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers of a webhook."""
    return {"X-Signature": signature(body, secret), "Content-Type": "application/json"}


def samples(exposition: str) -> dict[str, float]:
    """Every series of a Prometheus text by its name and labels, as they are written there."""
    lines = [line for line in exposition.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def parse_lines(output: bytes) -> list[Json]:
    """Log lines; each must be one JSON object."""
    lines = [json.loads(line) for line in output.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for what nobody tells; fails when it does not come."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Run an application's lifespan: httpx over ASGI does not."""
    to_app: Queue[Json] = Queue()
    from_app: Queue[Any] = Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}}

    async def run() -> None:
        await app(scope, to_app.get, from_app.put)

    task = create_task(run())
    task.add_done_callback(lambda _: from_app.put_nowait({"type": "ended"}))
    try:
        await to_app.put({"type": "lifespan.startup"})
        answer = await from_app.get()
        assert answer["type"] == "lifespan.startup.complete", answer
        yield
        await to_app.put({"type": "lifespan.shutdown"})
        answer = await from_app.get()
        assert answer["type"] == "lifespan.shutdown.complete", answer
    finally:
        task.cancel()
        with contextlib.suppress(BaseException):
            await task


class Service:
    """The application in this process, its lifespan run, and a client that needs no socket."""

    def __init__(self, app: Application, log: Log, log_file: Path) -> None:
        self.app = app
        self.log = log
        self._log_file = log_file
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://service"
        )

    async def deliver(
        self, content: Json | bytes, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST a webhook, signed unless `headers` are given."""
        body = encode(content)
        headers = signed(body) if headers is None else headers
        return await self.client.post("/webhook", content=body, headers=headers)

    async def store(self, *messages: Json) -> None:
        """Deliver messages that must be accepted."""
        for content in messages:
            response = await self.deliver(content)
            assert response.status_code == 200, response.text

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def ids(self, query: str = "") -> list[str]:
        """The ids that GET /messages lists."""
        response = await self.get(f"/messages{query}")
        assert response.status_code == 200, response.text
        return [row["message_id"] for row in response.json()["data"]]

    async def metrics(self) -> dict[str, float]:
        return samples((await self.get("/metrics")).text)

    def log_output(self) -> bytes:
        """What the service has logged; closes the log."""
        self.log.close()
        return self._log_file.read_bytes()

    def log_lines(self, event: str = "request") -> list[Json]:
        """The lines of one kind that the service has logged; closes the log."""
        return [line for line in parse_lines(self.log_output()) if line["event"] == event]


@contextlib.asynccontextmanager
async def running(folder: Path, **environment: str) -> AsyncIterator[Service]:
    """The application with its database and its log in `folder`, from start to stop."""
    async with building(folder, environment) as service, lifespan(service.app), service.client:
        yield service


@contextlib.asynccontextmanager
async def building(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Service]:
    """The application, not started, and its log."""
    variables = {
        "DATABASE_URL": f"sqlite:///{folder / 'app.db'}",
        "WEBHOOK_SECRET": SECRET,
        "SOURCE_GITHUB_SECRET": SECRET,
        "LOG_LEVEL": "DEBUG",
        "ALLOW_ASYNC_COMMIT": "1",  # the tests' PostgreSQL has fsync off
    } | dict(environment)
    settings = Settings.from_environment(variables)
    log_file = folder / "log"
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = Log(settings.log_level, descriptor)
    try:
        yield Service(Application(settings, log), log, log_file)
    finally:
        log.close()
        os.close(descriptor)
