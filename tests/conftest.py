"""Fixtures that many tests want; what they are made of is in `tests.support.service`."""

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from service.api.messages import walk
from tests.support.api.exports import Pages
from tests.support.kinds import STORES, StoreClass, empty_database, on_sqlite
from tests.support.postgres import suite
from tests.support.service import Service, running
from tests.support.wires import Wire, Wires, served

# A busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", PATIENT)
settings.load_profile("patient")
# pytest --hypothesis-profile=long: for a night, not for a change
settings.register_profile("long", PATIENT, max_examples=10_000)


def pytest_sessionfinish() -> None:
    """End the PostgreSQL servers that tests have asked for."""
    suite.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a database once for each kind that its mark, or its file's, names."""
    if "database_kind" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker(on_sqlite.name) or on_sqlite
        metafunc.parametrize("database_kind", mark.args)


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    with empty_database(database_kind, tmp_path) as url:
        yield url


@pytest.fixture
def store_class(database_kind: str) -> StoreClass:
    """What the service keeps its messages with, for a test to spoil."""
    return STORES[database_kind]


@pytest.fixture
def pages(store_class: StoreClass, monkeypatch: pytest.MonkeyPatch) -> Pages:
    return Pages(store_class, monkeypatch)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE_MESSAGES_FIRST", 1)
    monkeypatch.setattr(walk, "PAGE_MESSAGES_MIN", 1)
    monkeypatch.setattr(walk, "PAGE_MESSAGES_MAX", 3)


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the tests that are marked with anyio."""
    return "asyncio"


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Service]:
    """The application as the environment's defaults make it, with a secret."""
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        yield service


@pytest.fixture
async def wires(tmp_path: Path, database_url: str) -> AsyncIterator[Wires]:
    """The same, behind the server and real sockets."""
    async with served(tmp_path, DATABASE_URL=database_url) as wires:
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
