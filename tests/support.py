"""What the tests share: signed webhooks, the application in this process, and in one of its own."""

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from asyncio import Queue, create_task
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from starlette.types import ASGIApp

from service.app import Application
from service.logs import Log
from service.settings import VARIABLES, Settings

ROOT = Path(__file__).parent.parent
SECRET = "the-secret-of-the-tests"
WAIT_SECONDS = 30
"""How long a test waits for what must happen; long enough for a machine under load."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used; without it, each httpx client would first load every certificate there is."""

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
        self._log = log
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
        self._log.close()
        return self._log_file.read_bytes()

    def log_lines(self, event: str = "request") -> list[Json]:
        """The lines of one kind that the service has logged; closes the log."""
        return [line for line in parse_lines(self.log_output()) if line["event"] == event]


@contextlib.asynccontextmanager
async def running(folder: Path, **environment: str) -> AsyncIterator[Service]:
    """The application with its database and its log in `folder`, from start to stop."""
    variables = {
        "DATABASE_URL": f"sqlite:///{folder / 'app.db'}",
        "WEBHOOK_SECRET": SECRET,
        "LOG_LEVEL": "DEBUG",
    } | environment
    settings = Settings.from_environment(variables)
    log_file = folder / "log"
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = Log(settings.log_level, descriptor)
    try:
        service = Service(Application(settings, log), log, log_file)
        async with lifespan(service.app), service.client:
            yield service
    finally:
        log.close()
        os.close(descriptor)


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment, with no variable of the service but these."""
    names = {name + suffix for name in VARIABLES for suffix in ("", "_FILE")}
    return {name: value for name, value in os.environ.items() if name not in names} | variables


class ServiceProcess:
    """`python -m service` with a database of its own, on a port of its own.

    Used as a context manager it listens inside, and has ended behind; what it wrote stays.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        prefix: Sequence[str] = (),
        stdout: int = subprocess.PIPE,
    ) -> None:
        """`prefix` is a command that runs the one behind it; `stdout` is read where it is PIPE."""
        self.database = folder / "app.db"
        variables = {
            "DATABASE_URL": f"sqlite:///{self.database}",
            "WEBHOOK_SECRET": SECRET,
            "PORT": "0",
        } | dict(environment)
        self._condition = threading.Condition()
        self._output = b""
        self._wanted_port = int(variables["PORT"])
        self._errors_file = folder / "stderr"
        with self._errors_file.open("wb") as errors:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-W", "error", "-m", "service"],
                cwd=ROOT,
                env=clean_environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        if self._wanted_port:
            self.port = self._wanted_port
            wait_until(self._listens)
        else:
            self.port = self.wait_for_line("listening")["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.wait()
        finally:
            self.process.kill()

    def wait(self) -> int:
        """The exit code, once the process has ended and its output is read."""
        code = self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.wait()

    @property
    def output(self) -> bytes:
        return self._output

    @property
    def errors(self) -> str:
        """What stands on standard error."""
        return self._errors_file.read_text()

    def log_lines(self, event: str = "request") -> list[Json]:
        """The lines of one kind that the process has logged so far."""
        whole = self._output[: self._output.rfind(b"\n") + 1]
        return [line for line in parse_lines(whole) if line["event"] == event]

    def wait_for_line(self, event: str, holds: Callable[[Json], bool] = bool) -> Json:
        """The first line of one kind for which `holds`; the process must not end before it."""

        def find() -> Json | None:
            return next(filter(holds, self.log_lines(event)), None)

        with self._condition:
            self._condition.wait_for(
                lambda: find() or not self._reader.is_alive(), timeout=WAIT_SECONDS
            )
        found = find()
        assert found is not None, f"no {event} line\n{self._output.decode()}\n{self.errors}"
        return found

    def deliver(self, content: Json) -> httpx.Response:
        body = encode(content)
        return self.request("POST", "/webhook", content=body, headers=signed(body))

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request on a connection of its own."""
        return httpx.request(method, self.url + path, verify=NO_TLS, **arguments)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.errors
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._condition:
                self._output += line
                self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()


@contextlib.contextmanager
def serving(folder: Path, **environment: str) -> Iterator[ServiceProcess]:
    """A process of the service, which says nothing on standard error and ends with the code 0."""
    with ServiceProcess(folder, environment) as process:
        yield process
        assert process.stop() == 0
        assert process.errors == ""
