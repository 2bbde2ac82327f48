"""Who may read the database's files, and a start that may not use them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ServiceProcess, serving
from tests.support.service import message, wait_until

WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Runs a command as a user to whom permissions apply, also where that is root."""

NOBODY = 65_534


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


def test_what_the_service_makes_is_its_user_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(tmp_path, DATABASE_URL=f"sqlite:///{folder}/app.db") as process:
        assert process.deliver(message()).status_code == 200
        wait_until((folder / "app.db-index-wal").exists)
        assert folder.stat().st_mode & 0o777 == 0o700
        names = [f"app.db{end}{part}" for end in ("", "-index") for part in ("", "-wal", "-shm")]
        assert modes(folder) == dict.fromkeys(names, 0o600)
        assert process.log_lines("database_readable") == []


def test_the_mode_of_a_file_that_is_there_stays_and_is_told(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        database = process.database
    database.chmod(0o644)
    with serving(tmp_path) as process:
        (line,) = process.log_lines("database_readable")
        assert line["level"] == "WARNING"
        assert f"chmod 600 {database}*" in line["message"]
        assert database.stat().st_mode & 0o777 == 0o644


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a database that somebody else owns."""
    if os.geteuid() != 0 or shutil.which(WITHOUT_CAPABILITIES[0]) is None:
        pytest.skip("only root can give a file to somebody else, and setpriv(1) must be there")
    tried = subprocess.run([*WITHOUT_CAPABILITIES, "true"], check=False)
    if tried.returncode:
        pytest.skip("setpriv(1) can't take capabilities away here")
    folder = tmp_path / "data"
    with serving(tmp_path, DATABASE_URL=f"sqlite:///{folder}/app.db"):
        pass
    yield folder
    folder.chmod(0o700)


def refuse(tmp_path: Path, folder: Path) -> str:
    """The one line of a start that must fail."""
    environment = {"DATABASE_URL": f"sqlite:///{folder}/app.db"}
    process = ServiceProcess(tmp_path, environment, prefix=WITHOUT_CAPABILITIES)
    assert process.wait() == 1
    assert process.errors.count("\n") == 1
    return process.errors


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_folder_of_somebody_else_is_named(tmp_path: Path, folder: Path, mode: int) -> None:
    shutil.chown(folder, NOBODY, NOBODY)
    folder.chmod(mode)
    assert refuse(tmp_path, folder) == (
        f"DATABASE_URL: can't use {folder}/app.db: the folder {folder} belongs to"
        f" {NOBODY}:{NOBODY}, has the mode {mode:04o}, and the service runs as 0:0, which may not"
        f" use it: chown 0:0 {folder}\n"
    )


def test_a_new_database_in_a_folder_of_somebody_else(tmp_path: Path, folder: Path) -> None:
    shutil.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o755)
    (folder / "app.db").unlink()
    assert f"the folder {folder} belongs to {NOBODY}:{NOBODY}" in refuse(tmp_path, folder)


def test_a_folder_above_that_can_not_be_entered(tmp_path: Path, folder: Path) -> None:
    shutil.chown(folder, NOBODY, NOBODY)
    below = folder / "below"
    below.mkdir()
    assert f"the folder {folder} belongs to {NOBODY}:{NOBODY}" in refuse(tmp_path, below)


def test_a_folder_that_can_not_be_made(tmp_path: Path, folder: Path) -> None:
    shutil.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o755)
    errors = refuse(tmp_path, folder / "new")
    assert f"the folder {folder} belongs to {NOBODY}:{NOBODY}" in errors


def test_a_file_of_somebody_else_is_named(tmp_path: Path, folder: Path) -> None:
    file = folder / "app.db"
    shutil.chown(file, NOBODY, NOBODY)
    file.chmod(0o644)
    assert f"the file {file} belongs to {NOBODY}:{NOBODY}" in refuse(tmp_path, folder)


def test_a_file_of_its_own_that_it_may_not_use(tmp_path: Path, folder: Path) -> None:
    file = folder / "app.db"
    file.chmod(0)
    assert refuse(tmp_path, folder).endswith(f"which may not use it: chmod u+rw {file}\n")
