"""Checkpoints keep the WAL short, whatever reads are under way, and go on after an error."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.store.interface import Filter, Position, Row, StoreError
from service.store.sqlite import checkpoints
from service.store.sqlite.connection import driver
from service.store.sqlite.reads import Reads
from service.store.sqlite.store import SqliteStore
from tests.store.messages import message

pytestmark = pytest.mark.anyio

FRAME_BYTES = 4_096 + 24
"""A page and its header (sqlite.org/fileformat.html#walformat)."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@pytest.mark.usefixtures("no_thread_stays")
@pytest.mark.parametrize("error", [StoreError("the disk is full"), RuntimeError("a defect")])
async def test_checkpoints_go_on_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.01)
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    keep_short, has_failed = store._checkpoints._keep_short, asyncio.Event()

    async def fail() -> None:
        has_failed.set()
        raise error

    store._checkpoints._keep_short = fail  # type: ignore[method-assign]
    await store.insert([message("a")])
    await has_failed.wait()
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match=r"the WAL is not checkpointed: (the disk|RuntimeError)"):
        await store.check()
    store._checkpoints._keep_short = keep_short  # type: ignore[method-assign]
    while store._checkpoints.trouble is not None:  # noqa: ASYNC110 - as a probe would
        await asyncio.sleep(0.01)
    await store.check()
    await store.close()


@pytest.mark.usefixtures("no_thread_stays")
async def test_a_part_that_does_not_close_keeps_no_other_open(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    close = store._checkpoints.close

    async def close_and_raise() -> None:
        await close()
        raise RuntimeError

    store._checkpoints.close = close_and_raise  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await store.close()


async def test_a_long_wal_that_cannot_be_checkpointed_takes_no_more(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> tuple[int, int]:
        raise StoreError("database or disk is full")

    await store.insert([message("before")])
    monkeypatch.setattr(checkpoints, "WAL_BYTES_MAX", 0)
    with monkeypatch.context() as patch:
        patch.setattr(store._checkpoints, "_checkpoint", fail)
        with pytest.raises(StoreError, match="full"):
            await store.insert([message("between")])
    await store.insert([message("after")])
    assert len(await store.page(Filter(), None, 0, 10)) == 2


async def test_a_wal_that_is_not_checkpointed_beside_is_checkpointed_before_more_is_stored(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._checkpoints, "notify", lambda: None)
    monkeypatch.setattr(checkpoints, "WAL_BYTES_MAX", wal_bytes_max := 100 * FRAME_BYTES)
    wal_bytes = []
    for batch in range(40):
        await store.insert([message(f"{n}-{batch}") for n in range(50)])
        wal_bytes.append((tmp_path / "store.db-wal").stat().st_size)
    assert wal_bytes_max < max(wal_bytes) < 2 * wal_bytes_max


async def test_reads_that_overlap_for_ever_do_not_make_the_wal_grow_for_ever(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 searches at a time, each of which holds a snapshot, while messages arrive."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.01)
    monkeypatch.setattr(checkpoints, "WAL_FRAMES_MAX", wal_frames_max := 100)
    page_and_count, is_over = Reads.page_and_count, asyncio.Event()

    def read_slowly(
        reads: Reads, after: Position | None, offset: int, limit: int
    ) -> tuple[list[Row], int]:
        time.sleep(0.02)
        return page_and_count(reads, after, offset, limit)

    async def search() -> None:
        while not is_over.is_set():
            await store.page_and_count(Filter(q_folded="hello"), None, 0, 1)

    monkeypatch.setattr(Reads, "page_and_count", read_slowly)
    searches = [asyncio.create_task(search()) for _ in range(50)]
    wal_bytes = []
    for batch in range(80):
        await store.insert([message(f"{n}-{batch}") for n in range(50)])
        wal_bytes.append((tmp_path / "store.db-wal").stat().st_size)
        await asyncio.sleep(0.02)
    is_over.set()
    await asyncio.gather(*searches)
    assert max(wal_bytes) < 4 * wal_frames_max * FRAME_BYTES


async def test_a_read_of_another_program_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.01)
    monkeypatch.setattr(checkpoints, "BLOCKED_SECONDS", 0.2)
    warnings: list[str] = []
    path = tmp_path / "blocked.db"
    store = SqliteStore(path, warn=lambda event, _: warnings.append(event))
    await store.open()
    await store.insert([message("a")])
    with closing(driver.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        await store.insert([message("b")])
        async with asyncio.timeout(10):
            while "checkpoint_blocked" not in warnings:  # noqa: ASYNC110 - as a log is read
                await asyncio.sleep(0.01)
        assert store.checkpoint_blocked_seconds() > 0.2
    async with asyncio.timeout(10):
        while "checkpoint_unblocked" not in warnings:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert store.checkpoint_blocked_seconds() == 0
    await store.close()
