"""The probe's look: it answers in time, and knows a busy writer from one that fails."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.store.interface import PROBE_SECONDS, StoreError
from service.store.sqlite.store import SqliteStore
from tests.store.messages import message

pytestmark = pytest.mark.anyio

ANSWER_SECONDS_MAX = 1.0
BUSY_SECONDS = 1.5


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def busy(store: SqliteStore) -> AsyncIterator[None]:
    """The writer takes its time."""
    await store.insert([message("before")])
    slow = asyncio.create_task(store._writer.run(lambda _: time.sleep(BUSY_SECONDS)))
    await asyncio.sleep(0.05)
    yield
    await slow


@pytest.mark.usefixtures("busy")
async def test_a_busy_writer_that_has_just_stored_is_ready(store: SqliteStore) -> None:
    await store.check()


@pytest.mark.usefixtures("busy")
async def test_a_writer_that_has_stored_nothing_for_a_while_is_red_in_time(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sqlite.probe.PROOF_SECONDS", 0)
    begun = time.monotonic()
    with pytest.raises(StoreError, match=f"no answer within {PROBE_SECONDS:g} s"):
        await store.check()
    assert time.monotonic() - begun < ANSWER_SECONDS_MAX
    await asyncio.sleep(BUSY_SECONDS)
    await store.check()


async def test_a_batch_that_failed_proves_nothing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("database or disk is full")

    await store.insert([message("a")])
    with monkeypatch.context() as patch:
        patch.setattr(store._writes, "insert", fail)
        with pytest.raises(StoreError):
            await store.insert([message("b")])
        written = await written_at(store)
        await store.check()
    assert await written_at(store) > written


async def written_at(store: SqliteStore) -> int:
    def read(raw: Any) -> int:
        return int(raw.execute("SELECT written_at FROM probe").fetchone()[0])

    return await store._readers.run(read)
