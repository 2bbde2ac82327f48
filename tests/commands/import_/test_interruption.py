"""`python -m service import`: signals, locks, and a running service."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.imports import (
    counts,
    delivering,
    given_to,
    is_begun,
    locked,
    messages,
    ndjson,
    started,
    stored,
    written,
)
from tests.support.processes import serving
from tests.support.service import WAIT_SECONDS, wait_until


class TestInterruption:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stores_what_was_read_and_the_next_run_completes_it(
        self, tmp_path: Path, database: Path, number: signal.Signals
    ) -> None:
        wanted = messages(30_000)
        file = written(tmp_path / "messages.ndjson.zst", wanted)
        with started(file) as process:
            wait_until(lambda: database.exists() and is_begun(database))
            process.send_signal(number)
            output, errors = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 128 + number
        assert b"import: interrupted: " in errors
        done = counts(output.decode())["created"]
        assert 0 < done < len(wanted)
        assert stored(database) == wanted[:done]
        with started(file) as process:
            output, errors = process.communicate(timeout=WAIT_SECONDS * 2)
        assert (process.returncode, errors) == (0, b"")
        found = counts(output.decode())
        assert (found["created"], found["duplicate"]) == (len(wanted) - done, done)
        assert stored(database) == wanted

    def test_while_a_pipe_is_silent(self, database: Path) -> None:
        with started("-") as process:
            given_to(process, ndjson(messages(3)))
            wait_until(lambda: database.exists() and len(stored(database)) == 3)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 143
        assert counts(output.decode())["created"] == 3

    def test_while_somebody_else_keeps_the_database_locked(
        self, tmp_path: Path, database: Path
    ) -> None:
        file = written(tmp_path / "messages.ndjson", messages(3))
        assert stored(database) == []
        with locked(database), started(file) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line == b"the database is locked by another program: waiting for it\n"
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 130
        assert counts(output.decode())["created"] == 0
        assert stored(database) == []

    def test_while_nobody_writes_to_a_named_pipe(self, tmp_path: Path, database: Path) -> None:
        if sys.platform != "linux":
            pytest.skip("elsewhere, opening the pipe waits")
        file, pipe = written(tmp_path / "x", messages(3)), tmp_path / "pipe"
        os.mkfifo(pipe)
        with started(file, str(pipe)) as process:
            wait_until(lambda: database.exists() and len(stored(database)) == 3)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 130
        assert counts(output.decode())["created"] == 3

    def test_a_second_signal_ends_it_where_it_stands(self, tmp_path: Path, database: Path) -> None:
        file = written(tmp_path / "messages.ndjson", messages(3))
        assert stored(database) == []
        with locked(database), started(file) as process:
            assert process.stderr is not None
            process.stderr.readline()
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode in (-signal.SIGINT, -signal.SIGTERM)
        assert output == b""

    def test_kill_9_loses_nothing_that_the_next_run_does_not_bring(
        self, tmp_path: Path, database: Path
    ) -> None:
        wanted = messages(20_000)
        file = written(tmp_path / "messages.ndjson", wanted)
        for _ in range(3):
            with started(file) as process:
                wait_until(lambda: database.exists() and is_begun(database))
                process.kill()
        with started(file) as process:
            process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0
        assert stored(database) == wanted


class TestBesideOthers:
    def test_waits_for_a_lock(self, tmp_path: Path, database: Path) -> None:
        file = written(tmp_path / "messages.ndjson", messages(3))
        assert stored(database) == []
        with started(file) as process:
            with locked(database):
                assert process.stderr is not None
                process.stderr.readline()
            output, errors = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, errors) == (0, b"")
        assert counts(output.decode())["created"] == 3

    def test_a_running_service_goes_on_answering(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No webhook is refused, and all that either of them took is there in the end."""
        wanted = messages(20_000)
        file = written(tmp_path / "messages.ndjson.gz", wanted)
        with serving(tmp_path) as service:
            monkeypatch.setenv("DATABASE_URL", f"sqlite:///{service.database}")
            with delivering(service, senders=4) as delivered, started(file) as process:
                output, errors = process.communicate(timeout=WAIT_SECONDS * 3)
            assert (process.returncode, errors) == (0, b"")
            assert counts(output.decode())["created"] == len(wanted)
            assert {status for _, status in delivered} == {200}
            assert len(delivered) > 20
            total = service.get("/messages?limit=1").json()["total"]
            assert total == len(wanted) + len(delivered)
        found = {row["message_id"] for row in stored(service.database)}
        assert found == {row["message_id"] for row in wanted} | {name for name, _ in delivered}
