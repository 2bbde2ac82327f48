"""What only the SQLite store promises: its settings, its files, and what it says of bad ones."""

import asyncio
import errno
import os
import re
import resource
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import DatabaseError
from service.store.interface import DiskFailed, Filter, Outcome, Position, Row, StoreError
from service.store.queries import sql_folder
from service.store.sqlite import checkpoints, pool
from service.store.sqlite.reads import Reads
from service.store.sqlite.store import SqliteStore
from service.store.sqlite.wal import rewrite_log
from tests.store.databases import SqliteDatabase
from tests.store.messages import message

pytestmark = pytest.mark.anyio

NOBODY = 65_534
READ_BACK = {"WAL": "wal", "FULL": 2, "MEMORY": 2, "OFF": 0}
"""How SQLite answers for a word of connection.sql; a number is answered as it is."""

FRAME_BYTES = 4_096 + 24
"""Of a write-ahead log: a page and what says which (sqlite.org/fileformat.html#walformat)."""

SETTINGS = dict(
    re.findall(
        r"^PRAGMA (\w+) = (-?\w+);$",
        (sql_folder("sqlite") / "connection.sql").read_text("utf-8"),
        re.MULTILINE,
    )
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with the service's own SQL, as it is."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    """A database with a copy of the service's SQL, for a test to change."""
    return SqliteDatabase(tmp_path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach; pytest's own are only for their owner."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "mmap_size"])
async def test_every_connection_has_the_settings_of_its_file(store: SqliteStore, name: str) -> None:
    word = SETTINGS[name]
    expected = READ_BACK[word] if word in READ_BACK else int(word)
    for each in (store._writer, store._readers):
        assert await each.run(lambda raw: _pragma(raw, name)) == [(expected,)]


async def test_no_connection_maps_the_file_into_memory(store: SqliteStore) -> None:
    for each in (store._writer, store._readers):
        # A build without memory-mapped I/O gives no row.
        assert await each.run(lambda raw: _pragma(raw, "mmap_size")) in ([(0,)], [])


def test_a_commit_is_on_the_disk_before_it_is_told() -> None:
    assert SETTINGS["journal_mode"] == "WAL"
    assert SETTINGS["synchronous"] == "FULL"


async def test_readers_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(StoreError, match="readonly"):
        await store._readers.run(lambda raw: raw.execute("DELETE FROM messages"))


@pytest.mark.parametrize(
    ("setting", "other"),
    [
        ("PRAGMA synchronous = FULL;", "PRAGMA synchronous = NORMAL;"),
        ("PRAGMA synchronous = FULL;", "PRAGMA synchronous = OFF;"),
        ("PRAGMA journal_mode = WAL;", ""),
        ("PRAGMA journal_mode = WAL;", "PRAGMA journal_mode = MEMORY;"),
        ("PRAGMA journal_mode = WAL;", "BEGIN; PRAGMA journal_mode = WAL; COMMIT;"),
        ("PRAGMA journal_mode = WAL;", "PRAGMA journal_mode WAL;"),
    ],
)
async def test_a_connection_file_that_would_lose_messages_is_refused(
    database: SqliteDatabase, setting: str, other: str
) -> None:
    database.rewrite("connection.sql", setting, other)
    with pytest.raises(DatabaseError, match="DATABASE_URL"):
        await _open(database)


async def test_who_waits_for_a_connection_gets_it_though_another_never_stops(
    store: SqliteStore,
) -> None:
    stored, has_checkpointed = 0, asyncio.Event()

    async def store_without_end() -> None:
        nonlocal stored
        while not has_checkpointed.is_set():
            await store.insert([message(str(stored))])
            stored += 1

    async def checkpoint() -> None:
        await store._writer.run(lambda _: None)
        has_checkpointed.set()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(store_without_end())
        tasks.create_task(checkpoint())
    assert stored < 3


async def test_folders_that_are_missing_are_made(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a" / "b" / "store.db")
    await store.open()
    await store.close()
    assert (tmp_path / "a" / "b" / "store.db").is_file()


@pytest.mark.parametrize(
    "name", ["a b.db", "100%.db", "%41.db", "a?mode=memory", "a#b", "ä👍.db", "store"]
)
async def test_a_path_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    store = SqliteStore(tmp_path / name)
    await store.open()
    await store.insert([message("a")])
    await store.close()
    assert sorted(_names(tmp_path)) == [name, f"{name}-index"]


async def test_closing_leaves_no_log(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.insert([message("a")])
    await store.totals()
    await store.close()
    assert sorted(_names(tmp_path)) == ["store.db", "store.db-index"]


async def test_a_file_that_is_no_database_is_refused_and_left_alone(
    database: SqliteDatabase,
) -> None:
    content = b"This is somebody's letter. " * 100
    database.path.write_bytes(content)
    with pytest.raises(DatabaseError, match=r"store\.db: file is not a database"):
        await _open(database)
    assert database.path.read_bytes() == content


async def test_a_folder_in_place_of_the_file_is_refused(database: SqliteDatabase) -> None:
    database.path.mkdir()
    with pytest.raises(DatabaseError, match=r"store\.db: unable to open"):
        await _open(database)


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"store\.db: (File exists|Not a directory)"):
        await SqliteStore(tmp_path / "file" / "store.db").open()


async def test_a_file_that_is_read_only_is_refused(open_folder: Path) -> None:
    database = SqliteDatabase(open_folder)
    await _open(database)
    _forbid_writing(database.path, open_folder)
    with _somebody_else(), pytest.raises(DatabaseError, match="readonly database"):
        await _open(database)


async def test_a_full_disk_fails_the_batch_and_nothing_else(database: SqliteDatabase) -> None:
    large = [message(f"{number:03}", text="x" * 4_096) for number in range(500)]
    async with database.opened() as store:
        await store.insert([message("a")])
        with _disk_full_at(512 * 1024):
            with pytest.raises(StoreError):
                await store.insert(large)
            assert len(await store.page(Filter(), None, 0, 1_000)) == 1
            assert (await store.totals()).messages == 1
        assert await store.insert(large) == [Outcome.CREATED] * 500
        assert (await store.totals()).messages == 501


async def test_a_check_fails_on_a_full_disk_and_passes_again(database: SqliteDatabase) -> None:
    async with database.opened() as store:
        with _disk_full_at(1), pytest.raises(StoreError):
            await store.check()
        await store.check()


@pytest.mark.parametrize(
    ("version", "is_sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
    ids=str,
)
def test_a_version_that_can_corrupt_a_database_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], is_sound: bool
) -> None:
    text = ".".join(map(str, version))
    monkeypatch.setattr(
        pool,
        "driver",
        SimpleNamespace(sqlite_version=text, sqlite_version_info=version),
    )
    warning = pool.warn_of_driver()
    assert (warning is None) == is_sound
    assert is_sound or text in str(warning)


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def _forbid_writing(*paths: Path) -> None:
    for path in paths:
        path.chmod(0o555)


def _pragma(raw: Any, name: str) -> Any:
    return raw.execute(f"PRAGMA {name}").fetchall()


async def _open(database: SqliteDatabase) -> None:
    async with database.opened():
        pass


@contextmanager
def _disk_full_at(file_bytes: int) -> Iterator[None]:
    """No file of this process grows past `file_bytes`: what a full disk looks like to SQLite."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _somebody_else() -> Iterator[None]:
    """For root no file is read-only: inside, be nobody."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


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


# A disk that fails


async def test_a_checkpoint_that_fails_is_trouble_until_one_succeeds(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored until the database has been reopened: it could overwrite the only copy."""
    disk = FailingDisk(store)
    monkeypatch.setattr(store._checkpoints, "_move", disk.move)
    monkeypatch.setattr(store._checkpoints, "_reopen", disk.reopen)
    await store.insert([message("before")])
    await disk.has_failed.wait()
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="is not reopened yet"):
        await store.insert([message("between")])
    with pytest.raises(StoreError, match="the log does not move: the disk is away"):
        await store.check()
    disk.is_back.set()
    await disk.is_open.wait()
    await asyncio.sleep(0)
    await store.insert([message("after")])
    await disk.has_moved.wait()
    await asyncio.sleep(0)
    await store.check()
    assert len(await store.page(Filter(), None, 0, 10)) == 2


async def test_a_long_log_that_can_not_be_moved_takes_no_more(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes room is told what SQLite's own checkpoint, in a commit, keeps to itself."""
    checkpoints, is_back = store._checkpoints, False
    checkpoint = checkpoints._checkpoint

    def checkpoint_or_fail(connection: Any) -> tuple[int, int]:
        if not is_back:
            raise DiskFailed("the disk is away")
        return checkpoint(connection)

    await store.insert([message("before")])
    monkeypatch.setattr(checkpoints, "LOG_BYTES_MAX", 0)
    monkeypatch.setattr(checkpoints, "_checkpoint", checkpoint_or_fail)
    with pytest.raises(StoreError, match="is not reopened yet"):
        await store.insert([message("between")])
    with pytest.raises(StoreError, match="the log does not move: the disk is away"):
        await store.check()
    is_back = True
    while checkpoints.trouble is not None:  # noqa: ASYNC110 - as a probe would
        await asyncio.sleep(0.01)
    await store.insert([message("after")])
    await store.check()
    assert len(await store.page(Filter(), None, 0, 10)) == 2


async def test_what_is_moved_beside_the_writer_is_synced_before_its_turn(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite leaves that to the pass that moves the last frame, and every webhook would wait."""
    checkpoints, steps, has_moved = store._checkpoints, [], asyncio.Event()
    checkpoint, move, sync = checkpoints._checkpoint, checkpoints._move, store._file.sync

    def note_pass(connection: Any) -> tuple[int, int]:
        steps.append("pass")
        return checkpoint(connection)

    def note_sync() -> None:
        steps.append("sync")
        sync()

    async def move_once() -> None:
        await move()
        has_moved.set()

    monkeypatch.setattr(checkpoints, "_checkpoint", note_pass)
    monkeypatch.setattr(checkpoints, "_move", move_once)
    monkeypatch.setattr(store._file, "sync", note_sync)
    await store.insert([message("a")])
    await has_moved.wait()
    assert steps == ["pass", "sync", "pass", "pass"]


async def test_a_database_file_that_can_not_be_synced_is_trouble_until_it_can(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_back, sync, inode = False, os.fsync, (tmp_path / "store.db").stat().st_ino

    def sync_or_fail(descriptor: int) -> None:
        if not is_back and os.fstat(descriptor).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_or_fail)
    reopened, reopen = asyncio.Event(), store._checkpoints._reopen

    async def reopen_and_tell() -> None:
        await reopen()
        reopened.set()

    monkeypatch.setattr(store._checkpoints, "_reopen", reopen_and_tell)
    await store.insert([message("before")])
    await reopened.wait()
    with pytest.raises(StoreError, match="can't be synced: Input/output error"):
        await store.check()
    is_back = True
    while store._checkpoints.trouble is not None:  # noqa: ASYNC110 - as a probe would
        await asyncio.sleep(0.01)
    await store.insert([message("after")])
    await store.check()
    assert len(await store.page(Filter(), None, 0, 10)) == 2


async def test_nothing_is_moved_behind_a_failure_that_is_not_told_yet(store: SqliteStore) -> None:
    """It is known in the thread that it happens in, at once."""
    checkpoints = store._checkpoints

    def fail(_: Any) -> None:
        with checkpoints._turn():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(DiskFailed, match="can't be synced"):
        await store._writer.run(fail)
    with pytest.raises(StoreError, match="is not reopened yet"):
        await store._writer.run(checkpoints._checkpoint)


async def test_the_file_is_let_go_when_no_connection_has_it(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing any descriptor takes the locks of all (sqlite.org/howtocorrupt.html, 2.2)."""
    close, connected = store._file.close, []

    def note_and_close() -> None:
        connected.append((open_connections(store), store._keeper._idle))
        close()

    monkeypatch.setattr(store._file, "close", note_and_close)
    await store.insert([message("a")])
    await store.totals()
    await store.close()
    assert connected == [([], [None])]
    assert store._file._descriptor is None


async def test_a_log_that_is_not_moved_beside_is_moved_before_more_is_stored(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._checkpoints, "notify", lambda: None)
    monkeypatch.setattr(checkpoints, "LOG_BYTES_MAX", log_bytes_max := 100 * FRAME_BYTES)
    log_bytes = []
    for batch in range(40):
        await store.insert([message(f"{n}-{batch}") for n in range(50)])
        log_bytes.append((tmp_path / "store.db-wal").stat().st_size)
    assert log_bytes_max < max(log_bytes) < 2 * log_bytes_max


async def test_reopening_closes_everything_and_keeps_the_log(
    tmp_path: Path, store: SqliteStore
) -> None:
    await store.insert([message("a")])
    await asyncio.gather(*[store.totals() for _ in range(10)])
    log = (tmp_path / "store.db-wal").read_bytes()
    assert b"+4917012345" in log
    before = open_connections(store)
    await store._close_all()
    assert before
    assert not open_connections(store)
    assert (tmp_path / "store.db-wal").read_bytes() == log
    assert (await store.totals()).messages == 1
    assert await store.insert([message("a"), message("b")]) == [Outcome.DUPLICATE, Outcome.CREATED]


async def test_a_database_that_could_not_be_synced_is_closed_without_moving_its_log(
    tmp_path: Path, store: SqliteStore
) -> None:
    await store.insert([message("a")])
    await store.totals()
    log = (tmp_path / "store.db-wal").read_bytes()
    store._checkpoints.is_unsynced = True
    await store.close()
    assert (tmp_path / "store.db-wal").read_bytes() == log


async def test_a_log_is_rewritten_as_it_is(tmp_path: Path, store: SqliteStore) -> None:
    await store.insert([message("a")])
    log = tmp_path / "store.db-wal"
    before, modified = log.read_bytes(), log.stat().st_mtime_ns
    rewrite_log(tmp_path / "store.db")
    assert log.read_bytes() == before
    assert log.stat().st_mtime_ns > modified
    rewrite_log(tmp_path / "without-a-log.db")


async def test_a_log_that_can_not_be_rewritten_is_a_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(DatabaseError, match="the log can't be written: Input/output error"):
        await SqliteStore(tmp_path / "store.db").open()


async def test_the_keeper_is_open_all_the_time(store: SqliteStore) -> None:
    for _ in range(2):
        assert store._keeper._idle[0] is not None
        await store._reopen()


def open_connections(store: SqliteStore) -> list[object]:
    pools = [store._readers, store._searchers, store._writer, store._checkpoints._pool]
    return [each for pool in pools for each in pool._idle if each is not None]


class FailingDisk:
    """A checkpoint fails; the database reopens when the disk is back; then one succeeds."""

    def __init__(self, store: SqliteStore) -> None:
        self.has_failed, self.is_back, self.is_open, self.has_moved = (
            asyncio.Event() for _ in range(4)
        )
        self._move, self._reopen = store._checkpoints._move, store._reopen

    async def move(self) -> None:
        if not self.has_failed.is_set():
            self.has_failed.set()
            raise DiskFailed("the disk is away")
        await self._move()
        self.has_moved.set()

    async def reopen(self) -> None:
        await self.is_back.wait()
        await self._reopen()
        self.is_open.set()


# Reads that never leave the log alone


async def test_reads_that_overlap_for_ever_do_not_make_the_log_grow_for_ever(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 searches at a time, each of which holds a snapshot, while messages arrive."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.01)
    monkeypatch.setattr(checkpoints, "LOG_FRAMES_MAX", log_frames_max := 100)
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
    log_bytes = []
    for batch in range(80):
        await store.insert([message(f"{n}-{batch}") for n in range(50)])
        log_bytes.append((tmp_path / "store.db-wal").stat().st_size)
        await asyncio.sleep(0.02)
    is_over.set()
    await asyncio.gather(*searches)
    assert max(log_bytes) < 4 * log_frames_max * FRAME_BYTES
