"""Shared by the tests of the HTTP server: a service with short deadlines, one for short bodies."""

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
    """A service with deadlines of HASTE_SECONDS."""
    hasten(monkeypatch, HASTE_SECONDS)
    monkeypatch.setattr("service.http.transport.LINGER_SECONDS", HASTE_SECONDS)
    async with served(tmp_path) as wires:
        yield wires


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Wires]:
    async with served(tmp_path, MAX_BODY_BYTES=str(len(BODY))) as wires:
        yield wires


def delay(monkeypatch: pytest.MonkeyPatch, seconds: float) -> asyncio.Event:
    """Make each commit take longer by `seconds`. The event is set when a commit begins."""
    insert, has_begun = SqliteStore.insert, asyncio.Event()

    async def slow(store: SqliteStore, *batch: Any) -> Any:
        has_begun.set()
        await asyncio.sleep(seconds)
        return await insert(store, *batch)

    monkeypatch.setattr(SqliteStore, "insert", slow)
    return has_begun
