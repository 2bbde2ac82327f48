"""Who may connect: as many as there is room for; the others are told so, and nobody waits long."""

import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from service.errors import StartError
from service.http import listener
from service.http.listener import ACCEPTS_A_TURN, CONNECTIONS_MAX, DESCRIPTORS_RESERVED, Listener
from service.http.protocol import HttpProtocol
from service.http.sockets import bind, listen
from service.telemetry.logs import Log
from service.telemetry.metrics import Metrics
from tests.support.processes import ServiceProcess, clean_environment
from tests.support.service import (
    WAIT_SECONDS,
    encode,
    message,
    parse_lines,
    samples,
    signature,
    wait_until,
)
from tests.support.wires import GET, Answer, Wire, Wires, served

FEW = 3
REFUSED = "http_connections_refused_total"

WITH_OPEN_FILES = """\
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
os.execv(sys.argv[3], sys.argv[3:])
"""


def with_open_files(soft: int, hard: int) -> tuple[str, ...]:
    """What stands before a command to limit its open files."""
    return (sys.executable, "-c", WITH_OPEN_FILES, str(soft), str(hard))


@pytest.fixture
async def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wires]:
    """A service that holds a few connections, and waits a moment for those it refuses."""
    monkeypatch.setattr(listener, "LINGER_SECONDS", 0.2)
    async with served(tmp_path, connections_max=FEW) as wires:
        yield wires


async def connect(wires: Wires, count: int) -> list[Wire]:
    """Connections that are served."""
    connected = [await wires.connect() for _ in range(count)]
    for wire in connected:
        await wire.send(GET)
        assert (await wire.answer()).status == 200
    return connected


def metric(wires: Wires, name: str) -> float | None:
    return wires.service.app.metrics.registry.get_sample_value(name)


def assert_refused(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["connection"] == "close"
    assert answer.detail == "too many connections are open"


# Too many connections


@pytest.mark.anyio
async def test_one_too_many_is_told_so_and_closed(small: Wires) -> None:
    connected = await connect(small, FEW)
    for _ in range(2):
        wire = await small.connect()
        await wire.send(GET)
        assert_refused(await wire.answer())
        assert await wire.rest() == b""
    for wire in connected:
        await wire.send(GET)
        assert (await wire.answer()).status == 200
    assert metric(small, "http_connections") == FEW
    assert metric(small, REFUSED) == 2


@pytest.mark.anyio
async def test_who_leaves_makes_room(small: Wires) -> None:
    connected = await connect(small, FEW)
    await connected[0].leave()
    for _ in range(1_000):
        if metric(small, "http_connections") == FEW - 1:
            break
        await asyncio.sleep(0.01)
    await connect(small, 1)


@pytest.mark.anyio
async def test_who_is_idle_makes_room(small: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for an answer, or sends a request, does not."""
    monkeypatch.setattr(listener, "IDLE_SECONDS", 0.2)
    (idle, sending) = await connect(small, 2)
    await asyncio.sleep(0.3)
    await sending.send(GET[:10])
    await connect(small, 1)
    assert_refused(await (await small.connect()).answer())
    assert await idle.rest() == b""
    await connect(small, 1)
    await sending.send(GET[10:])
    assert (await sending.answer()).status == 200


@pytest.mark.anyio
async def test_who_is_refused_need_not_ask_to_be_told(small: Wires) -> None:
    await connect(small, FEW)
    refused = [await small.connect() for _ in range(5)]
    for wire in refused:
        assert_refused(await wire.answer())


@pytest.mark.anyio
async def test_only_a_few_of_the_refused_are_waited_for(
    small: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "LINGER_SECONDS", 10 * WAIT_SECONDS)
    monkeypatch.setattr(listener, "REFUSALS_MAX", 2)
    await connect(small, FEW)
    first, second, *others = [await small.connect() for _ in range(5)]
    for wire in others:
        assert_refused(await wire.answer())
    for wire in (first, second):
        await wire.send(GET)
        assert_refused(await wire.answer())


@pytest.mark.anyio
async def test_refusals_are_logged_but_not_each_of_them(small: Wires) -> None:
    await connect(small, FEW)
    for _ in range(10):
        wire = await small.connect()
        await wire.send(GET)
        await wire.answer()
    (line,) = small.service.log_lines("connections_refused")
    assert (line["level"], line["total"]) == ("WARNING", 1)


@pytest.mark.anyio
async def test_new_ones_need_no_turn_of_the_event_loop_each(small: Wires) -> None:
    """Where all who are connected keep it busy, a turn takes long."""
    count = ACCEPTS_A_TURN // 2
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", small.port)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert metric(small, REFUSED) == count - FEW


# Too many open files


class FullSystem(socket.socket):
    """A listening socket of a system that has no room for one more connection, once."""

    is_full = True

    def accept(self) -> tuple[socket.socket, object]:
        if self.is_full:
            self.is_full = False
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
        return super().accept()


@pytest.mark.anyio
async def test_where_the_system_has_no_room_it_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.05)
    (bound,) = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    arrived = asyncio.Event()
    with (tmp_path / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        full = FullSystem(fileno=bound.detach())
        listening = Listener([full], FEW, Metrics(()), log)
        listening.open(lambda: cast(HttpProtocol, Greeted(arrived)), [])
        with socket.create_connection(("127.0.0.1", port)):
            await asyncio.wait_for(arrived.wait(), WAIT_SECONDS)
        await listening.close()
        log.close()
    (line,) = [
        line
        for line in parse_lines((tmp_path / "log").read_bytes())
        if line["event"] == "accept_failed"
    ]
    assert (line["level"], line["reason"]) == ("ERROR", os.strerror(errno.ENFILE))


class Greeted(asyncio.Protocol):
    """Tells when it has its connection."""

    def __init__(self, arrived: asyncio.Event) -> None:
        self._arrived = arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._arrived.set()
        transport.close()


def test_near_the_limit_on_open_files_nothing_fails_and_the_rest_is_told(tmp_path: Path) -> None:
    room = 20
    limit = DESCRIPTORS_RESERVED + room
    body = encode(message())
    webhook = (
        b"POST /webhook HTTP/1.1\r\nHost: a\r\nX-Signature: %s\r\nContent-Length: %d\r\n\r\n%s"
    )
    webhook %= (signature(body).encode(), len(body), body)
    with (
        ServiceProcess(tmp_path, {}, prefix=with_open_files(limit, limit)) as process,
        ExitStack() as stack,
    ):
        held = [stack.enter_context(client(process)) for _ in range(room)]
        for connection in held:
            assert ask(connection, GET).startswith(b"HTTP/1.1 200 ")
        for _ in range(3 * room):
            refused = ask(stack.enter_context(client(process)), webhook)
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in refused
        assert ask(held[0], webhook).startswith(b"HTTP/1.1 200 ")
        for path in ("/health/ready", "/messages?q=hello", "/stats", "/messages/export"):
            request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            assert ask(held[1], request).startswith(b"HTTP/1.1 200 "), path
        stack.close()
        wait_until(lambda: process.get("/health/live").status_code == 200)
        assert process.get("/messages").json()["total"] == 1
        assert samples(process.get("/metrics").text)[REFUSED] >= 3 * room
        assert process.stop() == 0
    assert process.errors == ""
    assert not [line for line in parse_lines(process.output) if line["level"] == "ERROR"]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux tells another's limits")
def test_the_soft_limit_on_open_files_is_raised(tmp_path: Path) -> None:
    hard = 1_000
    prefix = with_open_files(DESCRIPTORS_RESERVED, hard)
    with ServiceProcess(tmp_path, {}, prefix=prefix) as process:
        found = resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE)
        assert found == (min(hard, CONNECTIONS_MAX + DESCRIPTORS_RESERVED), hard)
        assert process.stop() == 0


def test_a_limit_on_open_files_that_leaves_no_room(tmp_path: Path) -> None:
    done = subprocess.run(
        [*with_open_files(64, DESCRIPTORS_RESERVED), sys.executable, "-m", "service"],
        env=clean_environment(DATABASE_URL=f"sqlite:///{tmp_path / 'app.db'}", PORT="0"),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"the limit on open files is {DESCRIPTORS_RESERVED}, and the service needs more than that"
        " (ulimit -n)\n"
    )


def client(process: ServiceProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", process.port), WAIT_SECONDS)


def ask(connection: socket.socket, request: bytes) -> bytes:
    """What comes first of the answer."""
    connection.sendall(request)
    return connection.recv(2**16)


# Two starts at once, neither of which listens yet


def test_a_port_that_was_bound_is_taken_before_it_listens() -> None:
    (bound,) = bind("127.0.0.1", 0)
    with bound, pytest.raises(StartError, match="HOST and PORT: "):
        bind("127.0.0.1", bound.getsockname()[1])


def test_a_port_with_connections_that_linger_is_had_again_at_once() -> None:
    port = 0
    for _ in range(2):
        (bound,) = bind("127.0.0.1", port)
        with bound:
            port = bound.getsockname()[1]
            listen(bound, 5)
            with socket.create_connection(("127.0.0.1", port)) as client:
                bound.accept()[0].close()  # whoever closes first keeps the port in TIME_WAIT
                assert client.recv(1) == b""


TAKEN = """
import runpy, service.http.listener, service.errors
def fail(*_): raise service.errors.StartError("HOST and PORT: somebody was faster")
service.http.listener.listen = fail
runpy.run_module("service", run_name="__main__")
"""


def test_a_port_that_is_lost_while_the_database_opens_ends_the_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TAKEN],
        env=clean_environment(DATABASE_URL=f"sqlite:///{tmp_path}/app.db", PORT="0"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "HOST and PORT: somebody was faster\n")
    assert "exception" not in done.stdout
