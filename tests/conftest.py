"""Fixtures that many tests want; what they are made of is in `tests.support`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import Service, running


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the tests that are marked with anyio."""
    return "asyncio"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """The application as the environment's defaults make it, with a secret."""
    async with running(tmp_path) as service:
        yield service
