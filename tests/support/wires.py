"""The application in this process, behind the server and real sockets, and bytes to send it."""

import contextlib
import importlib.util
import json
import socket
import struct
from asyncio import StreamReader, StreamWriter, open_connection, sleep, wait_for
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.http.deadlines import Phase
from service.http.listener import CONNECTIONS_MAX, Listener
from service.http.server import GracefulServer, configure
from service.http.sockets import bind
from service.telemetry.logs import StandardLogging
from tests.support.service import (
    WAIT_SECONDS,
    Service,
    building,
    encode,
    message,
    samples,
    signature,
)

SERVICE_LOOP: tuple[str, dict[str, Any]] = (
    "asyncio",
    {"use_uvloop": importlib.util.find_spec("uvloop") is not None},
)
"""The event loop that the service runs on, as anyio has it."""

BODY = encode(message())
GET = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes = BODY, *fields: str, signed_body: bytes | None = None) -> bytes:
    """A webhook as it goes over the wire."""
    signed_body = body if signed_body is None else signed_body
    return (
        head(f"X-Signature: {signature(signed_body)}", f"Content-Length: {len(body)}", *fields)
        + body
    )


def head(*fields: str) -> bytes:
    return "\r\n".join(["POST /webhook HTTP/1.1", "Host: a", *fields, "\r\n"]).encode()


def chunked(body: bytes, size: int = 100) -> bytes:
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def hasten(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have the service wait for heads and bodies a moment, where it waits for many seconds."""
    for phase in Phase:
        monkeypatch.setattr(phase, "_value_", seconds)


@contextlib.asynccontextmanager
async def served(
    folder: Path,
    connections_max: int = CONNECTIONS_MAX,
    keep_alive_seconds: float = 75,
    **environment: str,
) -> AsyncIterator["Wires"]:
    """The application in this process, behind the server and a real socket."""
    async with building(folder, environment) as service:
        sockets = bind("127.0.0.1", 0)
        port = sockets[0].getsockname()[1]
        listener = Listener(sockets, connections_max, service.app.metrics, service.log)
        server = GracefulServer(
            configure(service.app, keep_alive_seconds), listener, service.app, stop_delay_seconds=0
        )
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        wires = Wires(service, port)
        with StandardLogging.installed(service.log):
            await server.startup()
            try:
                yield wires
            finally:
                await wires.leave()
                await server.shutdown()


class Wires:
    """A service, and raw connections to it."""

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        self.port = port
        self._wires: list[Wire] = []

    async def leave(self) -> None:
        for wire in self._wires:
            await wire.leave()

    async def connect(self) -> "Wire":
        wire = Wire(*await open_connection("127.0.0.1", self.port))
        self._wires.append(wire)
        return wire


class Wire:
    """One connection, as bytes."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Send each piece in a write, and most likely a packet, of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await sleep(0)

    async def answer(self) -> "Answer":
        """The next answer; fails where the connection ends before it."""
        answer = await self.answer_head()
        length = int(answer.headers.get("content-length", 0))
        return answer._replace(body=await self._reader.readexactly(length))

    async def answer_head(self) -> "Answer":
        """The next answer without its body, as HEAD gets it."""
        return Answer.of_head(await wait_for(self._reader.readuntil(b"\r\n\r\n"), WAIT_SECONDS))

    async def answers(self) -> list["Answer"]:
        """All that comes until the service closes the connection: answers, each of them whole."""
        answers, rest = [], await self.rest()
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            answer = Answer.of_head(head)
            length = int(answer.headers.get("content-length", 0))
            assert len(rest) >= length
            answers.append(answer._replace(body=rest[:length]))
            rest = rest[length:]
        return answers

    async def some(self, bytes_max: int) -> bytes:
        """What has come, or comes next."""
        return await wait_for(self._reader.read(bytes_max), WAIT_SECONDS)

    def half_close(self) -> None:
        """Say that nothing more will be sent, and go on reading."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        """Leave what comes where it is."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def rest(self) -> bytes:
        """All that comes until the service closes the connection."""
        with contextlib.suppress(ConnectionResetError):
            return await wait_for(self._reader.read(), WAIT_SECONDS)
        return b""

    def reset(self) -> None:
        """Cut the connection, as a client that crashes does."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._writer.transport.abort()

    async def leave(self) -> None:
        """Close the connection, whatever is under way."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of_head(cls, head: bytes) -> "Answer":
        """Without a body."""
        first, *fields = head.decode("ascii").strip().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (field.partition(": ") for field in fields)
        }
        return cls(int(first.split()[1]), headers, b"")

    @property
    def detail(self) -> str:
        """What an error says; it must have the shape of all errors."""
        content = json.loads(self.body)
        assert list(content) == ["detail"]
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-request-id"]
        return str(content["detail"])


async def statuses(wire: Wire, count: int) -> list[int]:
    """The statuses of the next answers."""
    return [(await wire.answer()).status for _ in range(count)]


async def wait_for_status(wires: Wires, status: int) -> None:
    """Wait until a webhook was counted with `status`."""
    name = f'http_requests_total{{method="POST",path="/webhook",status="{status}"}}'
    await wait_for_sample(wires, name, 1)


async def wait_for_sample(wires: Wires, name: str, value: float) -> None:
    for _ in range(1_000):
        if (await scrape(wires)).get(name, 0) >= value:
            return
        await sleep(0.01)
    pytest.fail(f"{name} did not reach {value}")


async def scrape(wires: Wires) -> dict[str, float]:
    wire = await wires.connect()
    await wire.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await wire.answer()
    return samples(answer.body.decode())
