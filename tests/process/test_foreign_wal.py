"""A start that finds a WAL beside a database that was replaced, and one that finds its own."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.store.sqlite import wal as wal_module
from service.store.sqlite.connection import driver
from tests.faults.traffic import deliver, messages
from tests.process.test_database_files import back_up
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import ROOT, message

MESSAGES = 400


def wal_of(database: Path) -> Path:
    return database.with_name("app.db-wal")


def by_cp(backup: Path, database: Path) -> None:
    shutil.copyfile(backup, database)


def by_cp_with_times(backup: Path, database: Path) -> None:
    subprocess.run(["cp", "-p", backup, database], check=True)


def by_mv(backup: Path, database: Path) -> None:
    backup.rename(database)


def kill_with_backup(folder: Path, seed: int = 0) -> tuple[Path, Path, int]:
    """A service was backed up, took more webhooks, and was killed. Gives the database, the backup,
    and how many messages the backup has."""
    chance = random.Random(seed)
    with ServiceProcess(folder, {}) as process:
        before = messages(f"m{seed}-before", MESSAGES, chance)
        assert {each.status for each in deliver(process.port, [before])} == {200}
        backup = back_up(process.database)
        after = messages(f"m{seed}-after", MESSAGES, chance)
        assert {each.status for each in deliver(process.port, [after])} == {200}
        process.process.kill()
        process.wait()
        assert wal_of(process.database).stat().st_size > 0
        return process.database, backup, MESSAGES


def refuse(folder: Path) -> str:
    """Start a service that must end with code 1; gives its one line on standard error."""
    process = ServiceProcess(folder, {})
    assert process.wait() == 1
    assert process.errors.count("\n") == 1
    return process.errors


def export(database: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service", "export"],
        cwd=ROOT,
        env=clean_environment(DATABASE_URL=f"sqlite:///{database}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "restore", [by_cp, by_cp_with_times, by_mv], ids=lambda each: each.__name__
)
def test_a_backup_over_a_wal_is_refused_until_the_wal_is_removed(
    tmp_path: Path, restore: Callable[[Path, Path], None]
) -> None:
    database, backup, count = kill_with_backup(tmp_path)
    restore(backup, database)
    left = wal_of(database).read_bytes()
    errors = refuse(tmp_path)
    assert errors.startswith(f"DATABASE_URL: can't use {database}: {database}-wal is not the WAL")
    assert "remove app.db-wal, app.db-shm and app.db-index, and start again" in errors
    assert wal_of(database).read_bytes() == left
    refused = export(database)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{database}-wal is not the WAL of this database" in refused.stderr
    for suffix in ("-wal", "-shm", "-index"):
        database.with_name(f"app.db{suffix}").unlink()
    with serving(tmp_path) as process:
        assert process.get("/health/ready").status_code == 200
        assert process.get("/messages?limit=1").json()["total"] == count
        assert process.deliver(message(message_id="new")).status_code == 200


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_wal_without_its_database_is_refused(tmp_path: Path, is_empty: bool) -> None:
    database, _, _ = kill_with_backup(tmp_path)
    database.unlink()
    if is_empty:
        database.touch()
    assert f"{database}-wal lies there without its database" in refuse(tmp_path)
    assert wal_of(database).stat().st_size > 0


def test_a_database_whose_pages_are_damaged_is_refused(tmp_path: Path) -> None:
    database, _, _ = kill_with_backup(tmp_path)
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (size - 4_096))
    wal_of(database).write_bytes(wal_of(database).read_bytes()[: 32 + 4_120 * 2])
    assert "the database is damaged" in refuse(tmp_path)


def test_its_own_wal_is_served_after_a_kill(tmp_path: Path) -> None:
    database, _, count = kill_with_backup(tmp_path)
    with serving(tmp_path) as process:
        assert process.get("/messages?limit=1").json()["total"] == 2 * count
    assert database.exists()


def test_a_large_database_is_checked_whole_only_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup made page by page has pages that the WAL had before its last restart but one."""
    monkeypatch.setattr(wal_module, "SMALL_BYTES", 0)
    database, backup, killed = (tmp_path / name for name in ("live.db", "backup.db", "app.db"))

    def kill() -> None:
        """The files that a crash would leave."""
        shutil.copyfile(database, killed)
        shutil.copyfile(database.with_name("live.db-wal"), wal_of(killed))

    with closing(driver.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE kept (name TEXT PRIMARY KEY, text TEXT)")
        for count in (900, 300, 30):  # each restarts the WAL, and leaves the end of the last one
            connection.execute("PRAGMA wal_checkpoint")
            for _ in range(count):
                connection.execute("INSERT INTO kept SELECT hex(randomblob(20)), hex(zeroblob(99))")
            if count == 900:
                with closing(driver.connect(backup)) as target:
                    connection.backup(target)
        kill()
        assert not wal_module._is_in_doubt(killed, wal_of(killed))
        by_cp(backup, killed)
        assert wal_module._is_in_doubt(killed, wal_of(killed))
        connection.execute("PRAGMA wal_checkpoint")
        connection.execute("INSERT INTO kept VALUES ('few', 'pages')")
        connection.execute("PRAGMA wal_checkpoint")
        kill()
        assert not wal_module._is_in_doubt(killed, wal_of(killed))


def test_the_check_changes_neither_file(tmp_path: Path) -> None:
    database, backup, _ = kill_with_backup(tmp_path)
    by_cp(backup, database)
    before = database.read_bytes()
    refuse(tmp_path)
    assert database.read_bytes() == before
    with closing(driver.connect(f"{database.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
