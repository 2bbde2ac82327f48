"""`python -m service export` changes nothing, and reads whatever it finds beside the database."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.commands.export.command import main
from service.store.sqlite import read_only
from service.store.sqlite.connection import driver
from service.store.sqlite.index_file import index_path
from service.store.sqlite.store import SqliteStore
from tests.store.messages import message as stored
from tests.support.api.exports import SOME, fill, parse_ndjson
from tests.support.kinds import empty_database
from tests.support.postgres.databases import connected
from tests.support.service import message


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that the environment names, with SOME in it."""
    path = tmp_path / "database" / "app.db"
    asyncio.run(fill(f"sqlite:///{path}", SOME))
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    return path


def digests(database: Path) -> dict[str, str]:
    """Of every file with content but shared memory, which is no part of a database."""
    files = [each for each in database.parent.iterdir() if not each.name.endswith("-shm")]
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in files
        if each.stat().st_size
    }


def exported(folder: Path) -> list[dict[str, object]]:
    output = folder / "all.ndjson"
    assert main(["--output", str(output)]) == 0
    return parse_ndjson(output.read_text("utf-8"))


def test_it_changes_nothing(tmp_path: Path, path: Path) -> None:
    before = digests(path)
    assert exported(tmp_path) == SOME
    assert digests(path) == before


def test_it_reads_a_wal_that_nobody_has_checkpointed(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "left"

    async def leave_wal() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.insert([stored("late", ts=2**51)])
        shutil.copytree(path.parent, left)
        await store.close()

    asyncio.run(leave_wal())
    before = digests(left / path.name)
    assert f"{path.name}-wal" in before
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{left / path.name}")
    assert [each["message_id"] for each in exported(tmp_path)][-1] == "late"
    assert digests(left / path.name) == before


def lose(index: Path) -> None:
    index.unlink()


def spoil(index: Path) -> None:
    index.write_bytes(b"no database " * 1_000)


def outdate(index: Path) -> None:
    with closing(driver.connect(index)) as connection:
        connection.execute("UPDATE indexed SET digest = 'of an older version'")
        connection.commit()


@pytest.mark.parametrize("change", [lose, spoil, outdate])
def test_it_needs_no_index(tmp_path: Path, path: Path, change: Callable[[Path], None]) -> None:
    change(index_path(path))
    before = digests(path)
    assert exported(tmp_path) == SOME
    assert digests(path) == before


@pytest.mark.parametrize("unindexed_messages_max", [0, 100])
def test_it_reads_messages_that_the_index_lacks(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, unindexed_messages_max: int
) -> None:
    monkeypatch.setattr(read_only, "UNINDEXED_MESSAGES_MAX", unindexed_messages_max)
    with closing(driver.connect(path)) as connection:
        connection.execute(
            "INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, created_at)"
            " VALUES ('late', '+4911', '+4922', 4000000000000000, 0)"
        )
        connection.commit()
    before = digests(path)
    assert [each["message_id"] for each in exported(tmp_path)][-1] == "late"
    assert digests(path) == before


def test_it_reads_a_copy_in_another_journal_mode(tmp_path: Path, path: Path) -> None:
    with closing(driver.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    before = digests(path)
    assert exported(tmp_path) == SOME
    assert digests(path) == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)",
            "has not run there",
        ),
        ("INSERT INTO migrations VALUES (9999, '9999_new.sql', '', 0)", "newer"),
        ("DROP TABLE migrations", "no such table: migrations"),
    ],
)
def test_it_refuses_a_database_of_another_version(
    path: Path, sql: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(driver.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()
    before = digests(path)
    assert main([]) == 1
    output = capsys.readouterr()
    assert said in output.err
    assert output.err.startswith(f"export: DATABASE_URL: can't use {path}: ")
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert digests(path) == before


@pytest.mark.usefixtures("path")
def test_it_reads_the_time_that_a_query_may_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUERY_TIMEOUT_SECONDS", "never")
    assert main([]) == 2
    assert "QUERY_TIMEOUT_SECONDS" in capsys.readouterr().err


def test_it_refuses_a_postgresql_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with empty_database("postgres", tmp_path) as url:
        monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("ALLOW_ASYNC_COMMIT", "1")
        assert main([]) == 1
        assert "has not run there" in capsys.readouterr().err
        asyncio.run(fill(url, [message()]))
        with connected(url) as run:
            run("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)")
        assert main([]) == 1
        assert "has not run there" in capsys.readouterr().err
