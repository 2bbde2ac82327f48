"""A durable PostgreSQL server of these tests, which they may damage."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.postgres.crashes import DURABLE
from tests.support.postgres.install import find_install
from tests.support.postgres.server import Server
from tests.support.processes import ServiceProcess


@pytest.fixture(scope="package")
def durable_server() -> Iterator[Server]:
    """A test leaves it running, and with the settings that it had."""
    install = find_install(trigrams=True)
    if install is None:
        pytest.skip("no package has PostgreSQL with pg_trgm for this platform")
    with Server(None, install) as server:
        for setting in DURABLE:
            assert server.admin(f"SHOW {setting}")[0][0] == "on"
        yield server


_numbers = itertools.count()


@pytest.fixture
def database(durable_server: Server) -> str:
    """The name of an empty database with pg_trgm."""
    name = f"faults_{next(_numbers)}"
    durable_server.create_database(name)
    durable_server.admin("CREATE EXTENSION pg_trgm", name)
    return name


@pytest.fixture
def process(durable_server: Server, database: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    """The service on that database. After the test it must stop with 0, and write no error."""
    with ServiceProcess(tmp_path, {"DATABASE_URL": durable_server.url(database)}) as process:
        yield process
        assert process.stop() == 0
        assert process.errors == ""
