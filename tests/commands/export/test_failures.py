"""`python -m service export`: failures leave the old file."""

import asyncio
import errno
import gzip
import os
import signal
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from service.commands.export.command import main
from service.store.interface import StoreError
from tests.support.api.exports import COMMAND, SOME, Pages, export, fail, fill, large, parse_ndjson
from tests.support.kinds import environment_of, on_each_database, on_sqlite
from tests.support.processes import clean_environment
from tests.support.service import ROOT, WAIT_SECONDS

pytestmark = on_each_database


def assert_only_the_old(folder: Path, file: Path) -> None:
    """No part of a new file is left, and the one that was there is."""
    assert file.read_text() == "old"
    assert not list(folder.glob(".export*"))


@pytest.mark.usefixtures("database", "small_pages")
@pytest.mark.parametrize("name", ["all.csv", "all.gz", "all.zst"])
def test_a_failure_in_the_middle_leaves_the_old_file(
    tmp_path: Path, pages: Pages, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text("old")
    pages.at[3] = fail(StoreError("disk I/O error"))
    assert main(["--output", str(file)]) == 1
    assert capsys.readouterr().err == (
        "export: cut off: the database does not answer: disk I/O error\n"
    )
    assert_only_the_old(tmp_path, file)


@pytest.mark.usefixtures("database", "small_pages")
@pytest.mark.parametrize("name", ["all.csv", "all.gz", "all.zst"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_old_file(
    tmp_path: Path, pages: Pages, name: str, number: int
) -> None:
    file = tmp_path / name
    file.write_text("old")
    handler = signal.getsignal(number)
    pages.at[3] = lambda: os.kill(os.getpid(), number)
    with pytest.raises(SystemExit) as ended:
        main(["--output", str(file)])
    assert ended.value.code == 128 + number
    assert_only_the_old(tmp_path, file)
    assert signal.getsignal(number) is handler


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all"
    file.write_text("old")
    sync = os.fsync

    def fail_but_for_the_database(descriptor: int) -> None:
        spared = {each.stat().st_ino for each in (tmp_path, *tmp_path.glob("app.db*"))}
        if os.fstat(descriptor).st_ino not in spared:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fail_but_for_the_database)
    assert main(["--output", str(file)]) == 1
    assert capsys.readouterr().err == f"export: cannot write {file}: No space left on device\n"
    assert_only_the_old(tmp_path, file)


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_file_system_that_cannot_sync_folders_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def sync_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", sync_files_only)
    assert main(["--output", str(tmp_path / "all")]) == 0
    assert parse_ndjson((tmp_path / "all").read_text("utf-8")) == SOME


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path / "no" / "all")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_device_that_is_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = export("--output", "/dev/full")
    assert (done.code, done.output) == (1, "")
    assert done.errors == "export: cannot write /dev/full: No space left on device\n"
    assert Path("/dev/full").is_char_device()


@pytest.fixture
def blocked(database_url: str) -> Iterable[subprocess.Popen[bytes]]:
    """An export of more than a pipe holds, to a pipe that is not read."""
    asyncio.run(fill(database_url, large(200)))
    with subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=clean_environment(**environment_of(database_url)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"{"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_waits_for_a_pipe(
    blocked: subprocess.Popen[bytes], number: int
) -> None:
    blocked.send_signal(number)
    assert blocked.wait(WAIT_SECONDS) == 128 + number
    assert blocked.stderr is not None
    assert blocked.stderr.read() == b""


def test_a_reader_that_leaves_ends_the_run(blocked: subprocess.Popen[bytes]) -> None:
    assert blocked.stdout is not None
    assert blocked.stderr is not None
    blocked.stdout.close()
    assert blocked.wait(WAIT_SECONDS) == 1
    assert blocked.stderr.read() == b"export: cannot write standard output: Broken pipe\n"


@on_sqlite
def test_a_pipe_that_does_not_block_is_waited_for(database: str) -> None:
    asyncio.run(fill(database, large(200)))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with (
        subprocess.Popen(COMMAND, cwd=ROOT, stdout=writing) as process,
        os.fdopen(reading, "rb") as file,
    ):
        os.close(writing)
        assert file.read().count(b"\n") == 206
        assert process.wait(WAIT_SECONDS) == 0


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_gzip_file_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "all.gz"
    assert main(["--output", str(file)]) == 0
    assert parse_ndjson(gzip.decompress(file.read_bytes()).decode()) == SOME
