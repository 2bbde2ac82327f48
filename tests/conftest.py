"""Fixtures that many tests want; what they are made of is in `tests.support`."""

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import suite
from tests.support import Service, running
from tests.wires import Wire, Wires, served

# pytest --hypothesis-profile=long: for a night, not for a change
settings.register_profile("long", max_examples=10_000)


def pytest_sessionfinish() -> None:
    """End the PostgreSQL servers that tests have asked for."""
    suite.close()


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the tests that are marked with anyio."""
    return "asyncio"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """The application as the environment's defaults make it, with a secret."""
    async with running(tmp_path) as service:
        yield service


@pytest.fixture
async def wires(tmp_path: Path) -> AsyncIterator[Wires]:
    """The same, behind the server and real sockets."""
    async with served(tmp_path) as wires:
        yield wires


@pytest.fixture
async def wire(wires: Wires) -> Wire:
    return await wires.connect()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a small pipe."""
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)
