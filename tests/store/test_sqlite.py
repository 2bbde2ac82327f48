"""What only the SQLite store promises: its settings, its files, and what it says of bad ones."""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import DatabaseError
from service.store.interface import EventFilter, SourceTotals, StoreError
from service.store.queries import sql_folder
from service.store.sqlite import connection
from service.store.sqlite.read_only import SqliteReader
from service.store.sqlite.store import SqliteStore
from tests.store.databases import SqliteDatabase
from tests.store.events import event
from tests.store.events import row as event_row
from tests.store.messages import NOON, message

pytestmark = pytest.mark.anyio

NOBODY = 65_534
READ_BACK = {"WAL": "wal", "FULL": 2, "MEMORY": 2, "OFF": 0}
"""How SQLite answers for a word of connection.sql; a number is answered as it is."""

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
    with (
        _somebody_else(),
        pytest.raises(DatabaseError, match=r"belongs to .* and the service runs as 65534:"),
    ):
        await _open(database)


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
        connection,
        "driver",
        SimpleNamespace(sqlite_version=text, sqlite_version_info=version),
    )
    warning = connection.warn_of_driver()
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


async def test_a_reader_that_changes_nothing_finds_events_too(tmp_path: Path) -> None:
    """Beside a service, and without one."""
    database = SqliteDatabase(tmp_path)
    sent = event("a", messages=(message("m"),))

    async def check() -> None:
        reader = SqliteReader(database.path, database.sql)
        await reader.open()
        try:
            assert await reader.events(EventFilter(), None, 10, 0) == ([event_row(sent)], False)
            assert await reader.event("github", "a") == event_row(sent)
            assert await reader.event_of_message("m") == ("github", "a")
            assert await reader.source_totals() == [SourceTotals("github", 1, 0, NOON)]
        finally:
            await reader.close()

    async with database.opened() as store:
        await store.insert([], [sent])
        await check()
    await check()
