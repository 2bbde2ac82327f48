"""`python -m service import`: files, pipes, duplicates."""

import os
import subprocess
from codecs import BOM_UTF8
from pathlib import Path

import pytest

from service.commands.import_.command import main
from tests.support.imports import (
    COMMAND,
    counts,
    given_to,
    imported,
    messages,
    ndjson,
    started,
    stored,
    stored_in,
    written,
)
from tests.support.kinds import on_each_database
from tests.support.service import (
    ROOT,
    WAIT_SECONDS,
    Json,
    encode,
    message,
    wait_until,
    without,
)


class TestFiles:
    @pytest.mark.parametrize("suffix", ["ndjson", "ndjson.gz", "ndjson.zst", "NDJSON.ZSTD"])
    def test_are_read_as_their_suffix_says(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str], suffix: str
    ) -> None:
        file = written(tmp_path / f"messages.{suffix}", messages(3_000))
        code, found = imported(capsys, file)
        assert code == 0
        assert found == {
            "read": 3_000,
            "created": 3_000,
            "duplicate": 0,
            "conflict": 0,
            "rejected": 0,
        }
        assert stored(database) == messages(3_000)

    @pytest.mark.parametrize("suffix", ["gz", "zst"])
    def test_of_several_parts_are_read_to_the_end(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str], suffix: str
    ) -> None:
        halves = [written(tmp_path / f"{n}.{suffix}", messages(100, n * 100)) for n in range(2)]
        whole = tmp_path / f"whole.{suffix}"
        whole.write_bytes(b"".join(Path(half).read_bytes() for half in halves))
        assert imported(capsys, str(whole))[0] == 0
        assert stored(database) == messages(200)

    def test_are_read_one_after_another(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = [
            written(tmp_path / "1.ndjson", messages(10)),
            written(tmp_path / "2.ndjson.gz", messages(10, 10)),
            written(tmp_path / "3.ndjson", messages(10, 15)),
        ]
        code, found = imported(capsys, *files)
        assert (code, found["read"], found["created"], found["duplicate"]) == (0, 30, 25, 5)
        assert stored(database) == messages(25)

    @pytest.mark.parametrize("suffix", ["ndjson", "gz", "zst"])
    @pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n\n   "])
    def test_without_a_message_are_no_failure(
        self,
        tmp_path: Path,
        database: Path,
        capsys: pytest.CaptureFixture[str],
        suffix: str,
        content: bytes,
    ) -> None:
        code, found = imported(capsys, written(tmp_path / f"empty.{suffix}", [content]))
        assert (code, found["read"]) == (0, 0)
        assert stored(database) == []

    def test_without_a_byte_are_cut_off_where_they_are_compressed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = [tmp_path / name for name in ("empty", "empty.gz", "empty.zst")]
        for file in files:
            file.touch()
        assert imported(capsys, str(files[0]))[0] == 0
        for file in files[1:]:
            assert main([str(file)]) == 1
            complaint = f"{file}: cannot be read past line 0: it is cut off\n"
            assert capsys.readouterr().err == complaint

    def test_may_end_their_lines_otherwise_or_not_at_all(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, second, third = messages(3)
        file = tmp_path / "messages.ndjson"
        file.write_bytes(encode(first) + b"\r\n\n  " + encode(second) + b" \n" + encode(third))
        assert imported(capsys, str(file))[0] == 0
        assert stored(database) == [first, second, third]

    @pytest.mark.parametrize("suffix", ["ndjson", "gz", "zst"])
    def test_may_begin_with_a_byte_order_mark_each(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str], suffix: str
    ) -> None:
        first, second, third = messages(3)
        contents: list[list[Json | bytes]] = [
            [BOM_UTF8 + encode(first) + b"\r", second],
            [BOM_UTF8, third],
            [BOM_UTF8],
        ]
        files = [
            written(tmp_path / f"{number}.{suffix}", content)
            for number, content in enumerate(contents)
        ]
        assert imported(capsys, *files)[0] == 0
        assert stored(database) == [first, second, third]

    def test_hold_what_messages_shows(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with_null, without_text = message(text=None), without("text") | {"message_id": "m-2"}
        file = written(tmp_path / "x", [with_null, without_text | {"other": [1, {"deep": None}]}])
        assert imported(capsys, file)[0] == 0
        assert stored(database) == [with_null, without_text | {"text": None}]


class TestStandardInput:
    def test_is_read(self, database: Path) -> None:
        with started("-") as process:
            output, errors = process.communicate(ndjson(messages(5_000)))
        assert (process.returncode, errors) == (0, b"")
        assert counts(output.decode())["created"] == 5_000
        assert stored(database) == messages(5_000)

    def test_may_begin_with_a_byte_order_mark_in_pieces(self, database: Path) -> None:
        with started("-") as process:
            for byte in BOM_UTF8:
                given_to(process, bytes([byte]))
            output, errors = process.communicate(ndjson(messages(2)))
        assert (process.returncode, errors) == (0, b"")
        assert counts(output.decode())["read"] == 2
        assert stored(database) == messages(2)

    def test_is_stored_as_it_arrives(self, database: Path) -> None:
        with started("-") as process:
            given_to(process, ndjson(messages(3)) + b'{"message_id": "the next one')
            wait_until(lambda: database.exists() and len(stored(database)) == 3)
            output, _ = process.communicate(b'", "from')
        assert process.returncode == 1
        assert counts(output.decode()) | {"read": 4, "created": 3} == counts(output.decode())

    def test_may_be_a_file_or_nothing(self, tmp_path: Path, database: Path) -> None:
        file = written(tmp_path / "messages.ndjson", messages(10))
        for path in (file, os.devnull):
            with Path(path).open("rb") as standard_input:
                subprocess.run([*COMMAND, "-"], cwd=ROOT, stdin=standard_input, check=True)
        assert stored(database) == messages(10)

    def test_stands_among_files(self, tmp_path: Path, database: Path) -> None:
        file = written(tmp_path / "messages.ndjson", messages(10))
        with started(file, "-", file) as process:
            output, _ = process.communicate(ndjson(messages(5, 10)))
        assert counts(output.decode())["created"] == 15
        assert stored(database) == messages(15)


class TestDatabases:
    @on_each_database
    def test_hold_what_was_imported_also_where_it_was_interrupted(
        self, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("ALLOW_ASYNC_COMMIT", "1")
        wanted = messages(20_000)
        file = written(tmp_path / "messages.ndjson.gz", [*wanted, message(message_id="m-000001")])
        with started("-") as process:
            given_to(process, ndjson(wanted[:10]))
            wait_until(lambda: len(stored_in(database_url)) == 10)
            process.kill()
        with started(file) as process:
            output, errors = process.communicate(timeout=WAIT_SECONDS * 2)
        assert (process.returncode, errors) == (0, b"")
        found = counts(output.decode())
        assert (found["created"], found["duplicate"], found["conflict"]) == (19_990, 10, 1)
        assert stored_in(database_url) == wanted


class TestPipes:
    def test_have_names(self, tmp_path: Path, database: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with started(str(pipe)) as process:
            with pipe.open("wb") as writer:
                writer.write(ndjson(messages(5_000)))
            _, errors = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, errors) == (0, b"")
        assert stored(database) == messages(5_000)


class TestDuplicates:
    def test_the_same_file_again_changes_nothing(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = written(tmp_path / "messages.ndjson", messages(2_000))
        assert imported(capsys, file)[0] == 0
        code, found = imported(capsys, file)
        assert (code, found["created"], found["duplicate"]) == (0, 0, 2_000)
        assert stored(database) == messages(2_000)

    def test_conflicts_are_counted_apart_and_the_first_one_stays(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, other = message(), message(text="Other")
        file = written(tmp_path / "messages.ndjson", [first, first, other])
        code, found = imported(capsys, file)
        assert (code, found["created"], found["duplicate"], found["conflict"]) == (0, 1, 1, 1)
        assert imported(capsys, file)[1]["conflict"] == 1
        assert stored(database) == [first]
