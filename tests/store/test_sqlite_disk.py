"""A disk that is full, that fails, or that cannot sync folders."""

import errno
import os
import resource
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.errors import DatabaseError
from service.store.interface import DatabaseLocked, DiskFailed, Filter, Outcome, StoreError
from service.store.sqlite.store import SqliteStore
from service.store.sqlite.wal import rewrite_wal
from tests.store.databases import SqliteDatabase
from tests.store.messages import message

pytestmark = pytest.mark.anyio

LARGE = [message(f"{number:03}", text="x" * 4_096) for number in range(100)]


class Ended(Exception):
    """In place of the end of the process."""


class Ending:
    """Keeps what would have ended the process."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, error: DiskFailed) -> None:
        self.reasons.append(str(error))
        raise Ended


@pytest.fixture
def ending() -> Ending:
    return Ending()


@pytest.fixture
async def store(tmp_path: Path, ending: Ending) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", when_disk_fails=ending)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


@contextmanager
def failing_past(file_bytes: int) -> Iterator[None]:
    """Writes past this place of a file fail (EFBIG), which SQLite calls an I/O error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def limit_pages(store: SqliteStore, pages: int) -> None:
    """The main file gets no more pages than these, or than it has: SQLite says that it is full."""
    await store._writer.run(lambda raw: raw.execute(f"PRAGMA max_page_count = {pages}").fetchall())


# A full disk


async def test_a_full_disk_fails_the_batch_and_nothing_else(
    store: SqliteStore, ending: Ending
) -> None:
    await store.insert([message("a")])
    await limit_pages(store, 1)
    with pytest.raises(StoreError, match="full"):
        await store.insert(LARGE)
    assert len(await store.page(Filter(), None, 0, 1_000)) == 1
    assert (await store.totals()).messages == 1
    await limit_pages(store, 2**30)
    assert await store.insert(LARGE) == [Outcome.CREATED] * len(LARGE)
    assert (await store.totals()).messages == 1 + len(LARGE)
    assert not ending.reasons


# A disk that fails


async def test_a_write_that_fails_ends_the_process(
    store: SqliteStore, ending: Ending, tmp_path: Path
) -> None:
    with failing_past(1), pytest.raises(Ended):
        await store.insert([message("a")])
    (reason,) = ending.reasons
    assert f"the disk failed under {tmp_path / 'store.db'}: disk I/O error" in reason
    assert await store.page(Filter(), None, 0, 10) == []


async def test_a_probe_that_fails_to_write_ends_the_process(
    store: SqliteStore, ending: Ending
) -> None:
    with failing_past(1), pytest.raises(Ended):
        await store.check()
    assert len(ending.reasons) == 1


async def test_a_checkpoint_that_fails_ends_the_process(
    store: SqliteStore, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._checkpoints, "notify", lambda: None)
    await store.insert(LARGE)
    with failing_past(16_384), pytest.raises(Ended):
        await store._checkpoints._keep_short()
    assert len(ending.reasons) == 1


async def test_a_migration_that_meets_a_failing_disk_ends_the_process(
    tmp_path: Path, ending: Ending
) -> None:
    with failing_past(12_000), pytest.raises(Ended):
        await SqliteStore(tmp_path / "store.db", when_disk_fails=ending).open()
    assert ending.reasons


async def test_a_read_that_fails_ends_nothing(store: SqliteStore, ending: Ending) -> None:
    def fail(_: Any) -> None:
        raise DiskFailed("disk I/O error")

    before = list(store._readers._idle)
    with pytest.raises(DiskFailed):
        await store._readers.run(fail)
    assert not ending.reasons
    assert store._readers._idle != before or before == [None] * len(before)
    assert (await store.totals()).messages == 0


async def test_an_index_that_cannot_be_written_ends_nothing(
    store: SqliteStore, ending: Ending
) -> None:
    with failing_past(1), pytest.raises(DiskFailed):
        await store._indexer._pool.run(_write_index)
    assert not ending.reasons


def _write_index(raw: Any) -> None:
    raw.execute("CREATE TABLE large (content)")


async def test_a_wal_is_rewritten_as_it_is(tmp_path: Path, store: SqliteStore) -> None:
    await store.insert([message("a")])
    wal = tmp_path / "store.db-wal"
    before, modified = wal.read_bytes(), wal.stat().st_mtime_ns
    rewrite_wal(tmp_path / "store.db")
    assert wal.read_bytes() == before
    assert wal.stat().st_mtime_ns > modified
    rewrite_wal(tmp_path / "without-a-wal.db")


async def test_a_wal_that_cannot_be_rewritten_ends_the_start(
    tmp_path: Path, store: SqliteStore, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    await store.insert([message("a")])
    left = shutil.copytree(tmp_path, tmp_path / "left")
    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(Ended):
        await SqliteStore(left / "store.db", when_disk_fails=ending).open()
    assert "the WAL can't be written: Input/output error" in ending.reasons[0]


# A lock


async def test_a_lock_of_another_program_is_told_by_its_kind(database: SqliteDatabase) -> None:
    async with database.opened() as store:
        with database.locked(), pytest.raises(DatabaseLocked):
            await store.insert([message("a")])


# Folders


async def test_the_names_of_new_folders_are_on_the_disk_before_a_file_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "newer" / "store.db"
    synced: dict[int, bool] = {}

    def sync(descriptor: int) -> None:
        synced.setdefault(os.fstat(descriptor).st_ino, path.exists())

    monkeypatch.setattr(os, "fsync", sync)
    for _ in range(2):  # the second start finds all of it
        store = SqliteStore(path)
        await store.open()
        await store.close()
    folders = (tmp_path, path.parent.parent, path.parent)
    assert [synced[folder.stat().st_ino] for folder in folders] == [False, False, True]


def refuse_to_sync_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EROFS])
async def test_a_file_system_that_can_not_sync_folders_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_to_sync_folders(monkeypatch, number)
    store = SqliteStore(tmp_path / "new" / "store.db")
    await store.open()
    await store.close()


async def test_a_folder_whose_name_can_not_be_kept_is_a_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync_folders(monkeypatch, errno.EIO)
    with pytest.raises(DatabaseError, match="Input/output error"):
        await SqliteStore(tmp_path / "new" / "store.db").open()
