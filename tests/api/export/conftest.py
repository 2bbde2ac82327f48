"""Fixtures of the tests of GET /messages/export."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.api.exports import SOME, fill, large
from tests.support.service import Service
from tests.support.wires import SERVICE_LOOP


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the service runs on."""
    return SERVICE_LOOP


@pytest.fixture
async def some(service: Service) -> Service:
    """Messages for every filter to choose from, delivered out of order."""
    await service.store(*reversed(SOME))
    return service


@pytest.fixture(scope="module")
def large_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a large database, made once."""
    folder = tmp_path_factory.mktemp("large")
    asyncio.run(fill(f"sqlite:///{folder / 'app.db'}", large()))
    return folder


@pytest.fixture
def folder(tmp_path: Path, large_database: Path) -> Path:
    """A copy of the folder with the large database."""
    return shutil.copytree(large_database, tmp_path / "large")
