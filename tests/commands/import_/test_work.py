"""`python -m service import`: the index, the size of batches, the progress bar."""

import asyncio
import os
import pty
from contextlib import closing
from io import FileIO
from pathlib import Path

import pytest

from service.commands.import_.command import main
from service.commands.import_.indexing import MESSAGES_A_ROUND, MESSAGES_BEHIND_MAX, Indexing
from service.commands.import_.pace import BATCH_LINES_MAX, BATCH_LINES_MIN, BATCH_SECONDS, Pace
from service.store.interface import StoreError
from service.store.sqlite.connection import driver
from service.store.sqlite.store import SqliteStore
from tests.support.imports import counts, imported, messages, read_all, started, stored, written


class TestIndexing:
    def test_is_complete_at_the_end(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        count = 2 * MESSAGES_A_ROUND + 1
        assert imported(capsys, written(tmp_path / "x", messages(count)))[0] == 0
        with closing(driver.connect(f"{database}-index")) as connection:
            assert connection.execute("SELECT seq FROM indexed").fetchall() == [(count,)]

    def test_may_fail_when_all_is_stored(
        self,
        tmp_path: Path,
        database: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        async def fail(_: SqliteStore) -> None:
            raise StoreError("disk full")

        monkeypatch.setattr(SqliteStore, "index_all", fail)
        assert main([written(tmp_path / "x", messages(10))]) == 2
        output = capsys.readouterr()
        assert output.err == "import: disk full\n"
        assert counts(output.out)["created"] == 10
        assert stored(database) == messages(10)

    @pytest.mark.anyio
    async def test_what_is_stored_never_gets_far_ahead(self) -> None:
        ahead, most_ahead = 0, 0

        async def index_all() -> None:
            nonlocal ahead
            taken = ahead
            await asyncio.sleep(0.01)
            ahead -= taken

        indexing = Indexing(index_all)
        for _ in range(200):
            ahead += 1_000
            await indexing.add(1_000)
            most_ahead = max(most_ahead, ahead)
        assert MESSAGES_A_ROUND < most_ahead <= MESSAGES_BEHIND_MAX
        await indexing.complete()
        assert ahead == 0
        await indexing.end()

    @pytest.mark.anyio
    async def test_a_stop_ends_all_waiting(self) -> None:
        async def index_all() -> None:
            await asyncio.sleep(3_600)

        indexing = Indexing(index_all)
        await indexing.add(MESSAGES_A_ROUND)
        waiting = asyncio.create_task(indexing.complete())
        await asyncio.sleep(0)
        indexing.stop()
        await waiting
        await indexing.add(MESSAGES_A_ROUND)
        await indexing.end()


class TestPace:
    def test_batches_grow_until_they_take_their_time(self) -> None:
        pace = Pace()
        for _ in range(3):
            pace.learn(1_000, 0.010)
        assert pace.batch_lines == pytest.approx(1_000 * BATCH_SECONDS / 0.010, abs=1)

    def test_a_wait_for_others_does_not_make_them_small(self) -> None:
        pace = Pace()
        pace.learn(1_000, 0.010)
        wanted = pace.batch_lines
        for _ in range(10):
            pace.learn(wanted, 1.0)
        assert pace.batch_lines == wanted

    @pytest.mark.parametrize(
        ("seconds", "lines"), [(1e-9, BATCH_LINES_MAX), (1e9, BATCH_LINES_MIN)]
    )
    def test_there_are_bounds(self, seconds: float, lines: int) -> None:
        pace = Pace()
        pace.learn(1, seconds)
        assert pace.batch_lines == lines


class TestScreen:
    def test_a_bar_on_a_terminal(self, tmp_path: Path) -> None:
        file = written(tmp_path / "messages.ndjson", [*messages(2_000), b"bad"])
        ours, theirs = pty.openpty()
        with started(file, stderr=theirs) as process:
            os.close(theirs)
            output, _ = process.communicate()
        with FileIO(ours) as terminal:
            shown = read_all(terminal)
        assert process.returncode == 1
        assert b"2,001 lines" in shown
        assert b" left" in shown
        assert f"{file}:2001: must be valid JSON".encode() in shown.replace(b"\r\n", b"")
        assert b" left" not in output

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        assert stop.value.code == 0
        assert "exit code: 0 when every line is stored" in capsys.readouterr().out
