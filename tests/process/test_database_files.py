"""The database's files are replaced, removed, overwritten or damaged while the service runs."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.store.sqlite.checkpoints import CHECKPOINT_SECONDS
from service.store.sqlite.connection import driver
from tests.support.processes import ServiceProcess, serving
from tests.support.service import message, wait_until

PAGE_BYTES = 4_096


def back_up(database: Path) -> Path:
    """A backup as docs/operations.md makes it."""
    backup = database.with_name("backup.db")
    with closing(driver.connect(database)) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")
    return backup


def replace(database: Path) -> None:
    back_up(database).rename(database)


def remove_all(database: Path) -> None:
    for file in database.parent.glob("app.db*"):
        file.unlink()


def remove_wal(database: Path) -> None:
    database.with_name("app.db-wal").unlink()


def rename_folder(database: Path) -> None:
    database.parent.rename(database.parent.with_name("elsewhere"))


def link_backup(database: Path) -> None:
    backup = back_up(database)
    database.unlink()
    os.link(backup, database)


def link_symbolically(database: Path) -> None:
    backup = back_up(database)
    database.unlink()
    database.symlink_to(backup)


def copy_over(database: Path) -> None:
    shutil.copyfile(back_up(database), database)


def truncate(database: Path) -> None:
    os.truncate(database, 0)


def deliver(process: ServiceProcess, *message_ids: str) -> list[int]:
    return [process.deliver(message(message_id=each)).status_code for each in message_ids]


def is_red(process: ServiceProcess, reason: str) -> bool:
    answer = process.get("/health/ready")
    return answer.status_code == 503 and reason in answer.json()["detail"]


@pytest.mark.parametrize(
    "happen",
    [
        replace,
        remove_all,
        remove_wal,
        rename_folder,
        link_backup,
        link_symbolically,
    ],
    ids=lambda happen: happen.__name__,
)
def test_a_file_that_is_replaced_or_removed_takes_no_more_webhooks(
    tmp_path: Path, happen: Callable[[Path], None]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    database = folder / "app.db"
    with ServiceProcess(tmp_path, {"DATABASE_URL": f"sqlite:///{database}"}) as process:
        assert deliver(process, "before") == [200]
        happen(database)
        assert deliver(process, "after-1", "after-2") == [503, 503]
        wait_until(lambda: is_red(process, "while the service runs"))
        assert process.get("/health/live").status_code == 200
        assert process.stop() == 0
    assert process.errors == ""


def test_a_folder_that_comes_back_is_used_again(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    folder.mkdir()
    with serving(tmp_path, DATABASE_URL=f"sqlite:///{folder}/app.db") as process:
        assert deliver(process, "before") == [200]
        folder.rename(elsewhere)
        assert deliver(process, "meanwhile") == [503]
        elsewhere.rename(folder)
        assert deliver(process, "after") == [200]
        wait_until(lambda: process.get("/health/ready").status_code == 200)


@pytest.mark.parametrize("happen", [copy_over, truncate], ids=lambda happen: happen.__name__)
def test_a_file_that_is_written_over_takes_no_more_webhooks(
    tmp_path: Path, happen: Callable[[Path], None]
) -> None:
    with ServiceProcess(tmp_path, {}) as process:
        assert deliver(process, *(f"before-{number}" for number in range(50)))[-1] == 200
        wait_until(lambda: change_counter(process.database) > 1)
        happen(process.database)
        assert deliver(process, "after-1", "after-2") == [503, 503]
        wait_until(lambda: is_red(process, "the database is damaged"))
        process.process.kill()
        process.wait()


def test_a_backup_in_the_place_of_the_file_is_not_written(tmp_path: Path) -> None:
    """Before its first checkpoint, the service has no connection for it yet."""
    with ServiceProcess(tmp_path, {}) as process:
        assert deliver(process, *(f"before-{number}" for number in range(20)))[-1] == 200
        backup = back_up(process.database)
        content = backup.read_bytes()
        backup.rename(process.database)
        assert deliver(process, "after") == [503]
        time.sleep(2 * CHECKPOINT_SECONDS)
        assert process.stop() == 0
    assert process.database.read_bytes() == content


def change_counter(database: Path) -> int:
    return int.from_bytes(database.read_bytes()[24:28], "big")


def test_a_vacuum_by_another_program_is_no_damage(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        assert deliver(process, *(f"before-{number}" for number in range(50)))[-1] == 200
        with closing(sqlite3.connect(process.database)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint")
        assert deliver(process, "after") == [200]
        assert process.get("/health/ready").status_code == 200


def damage(database: Path) -> None:
    """Spoil every page of the file but the first."""
    pages = database.stat().st_size // PAGE_BYTES - 1
    with database.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES * pages)


def fill(process: ServiceProcess) -> None:
    """Enough messages that a new connection must read their pages."""
    for number in range(60):
        text = "x" * 4_000
        assert process.deliver(message(message_id=f"m-{number}", text=text)).status_code == 200


def test_a_read_that_finds_the_database_damaged_stops_the_webhooks(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, {}) as process:
        fill(process)
        wal = process.database.with_name("app.db-wal")
        wait_until(lambda: process.database.stat().st_size > 60 * PAGE_BYTES and wal.exists())
        damage(process.database)
        wait_until(lambda: process.get("/messages?q=xxxx&limit=100").status_code == 503)
        wait_until(lambda: is_red(process, "the database is damaged"))
        assert deliver(process, "after") == [503]
        process.process.kill()
        process.wait()


def test_a_damaged_index_stops_no_webhook(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, {}) as process:
        fill(process)
        damage(process.database.with_name("app.db-index"))
        for query in ("?q=xxxx", "?limit=100", "?from=%2B491701234567"):
            process.get(f"/messages{query}")
        assert deliver(process, "after") == [200]
        assert not is_red(process, "the database is damaged")
        process.process.kill()
        process.wait()


def test_a_text_that_is_no_text_is_told_without_the_text(tmp_path: Path) -> None:
    """The database is sound where another program has stored it, and stays in use."""
    with serving(tmp_path) as process:
        fill(process)
        with closing(driver.connect(process.database, isolation_level=None)) as connection:
            connection.execute("UPDATE messages SET text = CAST(x'787878ff' AS TEXT)")
        assert process.get("/messages?limit=100").status_code == 503
        assert deliver(process, "after") == [200]
        assert process.get("/health/ready").status_code == 200
        assert process.log_lines("index_rebuilt") == []
    assert b"a text is no UTF-8" in process.output
    assert b"xxx" not in process.output
