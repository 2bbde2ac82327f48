"""What the tests of the HTTP server share: a service in a hurry, and one for short bodies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.store.sqlite.store import SqliteStore
from tests.support.wires import (
    BODY,
    SERVICE_LOOP,
    Wires,
    hasten,
    served,
)

HASTE_SECONDS = 0.4


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the service runs on."""
    return SERVICE_LOOP


@pytest.fixture
async def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wires]:
    """A service that waits a moment where others wait for many seconds."""
    hasten(monkeypatch, HASTE_SECONDS)
    monkeypatch.setattr("service.http.transport.LINGER_SECONDS", HASTE_SECONDS)
    async with served(tmp_path) as wires:
        yield wires


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Wires]:
    async with served(tmp_path, MAX_BODY_BYTES=str(len(BODY))) as wires:
        yield wires


def delay(monkeypatch: pytest.MonkeyPatch, seconds: float) -> asyncio.Event:
    """Let each commit take that much longer; gives what is set when one has begun."""
    insert, has_begun = SqliteStore.insert, asyncio.Event()

    async def slow(store: SqliteStore, messages: Any) -> Any:
        has_begun.set()
        await asyncio.sleep(seconds)
        return await insert(store, messages)

    monkeypatch.setattr(SqliteStore, "insert", slow)
    return has_begun
