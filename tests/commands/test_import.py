"""`python -m service import`: real files into a real database, alone and beside a service."""

import asyncio
import gzip
import os
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.commands import compression
from service.commands.export.command import main as export
from service.commands.import_.batches import REASONS_MAX
from service.commands.import_.command import main
from service.commands.import_.indexing import MESSAGES_A_ROUND, MESSAGES_BEHIND_MAX, Indexing
from service.commands.import_.lines import Piece, split
from service.commands.import_.pace import BATCH_LINES_MAX, BATCH_LINES_MIN, BATCH_SECONDS, Pace
from service.messages.instants import format_instant
from service.messages.message import decode_message
from service.store.interface import Filter, Row, StoreError
from service.store.sqlite.pool import driver
from service.store.sqlite.store import SqliteStore
from tests.support.kinds import on_each_database, store_of
from tests.support.model import Model
from tests.support.processes import serving
from tests.support.service import ROOT, WAIT_SECONDS, Json, encode, message, wait_until, without
from tests.support.strategies import Sent, sent

COMMAND = [sys.executable, "-W", "error", "-m", "service", "import"]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the environment says that the database is; there is none yet."""
    path = tmp_path / "data" / "app.db"
    for name in ("DATABASE_URL_FILE", "MAX_BODY_BYTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    return path


def messages(count: int, begin: int = 0) -> list[Json]:
    """So many different messages, in the order of GET /messages."""
    return [
        message(message_id=f"m-{number:06}", ts=format_instant(number), text=f"Nummer {number} é")
        for number in range(begin, begin + count)
    ]


def ndjson(contents: Iterable[Json | bytes]) -> bytes:
    return b"".join(encode(content) + b"\n" for content in contents)


def written(path: Path, contents: Iterable[Json | bytes]) -> str:
    """A file with these lines, compressed as its suffix says; gives its path."""
    with path.open("wb") as raw:
        file = compression.writing(raw, path.name)
        file.write(ndjson(contents))
        if file is not raw:
            file.close()
    return str(path)


def stored(database: Path) -> list[Json]:
    """All that the file holds, as GET /messages shows it."""
    return stored_in(f"sqlite:///{database}")


def stored_in(url: str) -> list[Json]:
    """All that the database holds, as GET /messages shows it."""

    async def read() -> list[Row]:
        store = store_of(url)
        await store.open()
        try:
            return await store.page(Filter(), None, 0, 1_000_000)
        finally:
            await store.close()

    return [
        message(
            message_id=row.message_id,
            ts=format_instant(row.ts),
            text=row.text,
            **{"from": row.from_msisdn, "to": row.to_msisdn},
        )
        for row in asyncio.run(read())
    ]


def counts(output: str) -> dict[str, int]:
    """The summary's figures, by the first word behind each."""
    found = re.findall(r"^  +([\d,]+)  (\w+)", output, re.MULTILINE)
    read = re.match(r"read ([\d,]+) lines in [\d.]+ s: [\d,]+ a second\n", output)
    assert read is not None, output
    return {word: int(count.replace(",", "")) for count, word in [(read[1], "read"), *found]}


def imported(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, int]]:
    """The exit code and the counts of an import that has nothing to complain of."""
    code = main([*arguments])
    output = capsys.readouterr()
    assert output.err == ""
    return code, counts(output.out)


@contextmanager
def started(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process, its standard input and outputs pipes."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=stderr
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def given_to(process: subprocess.Popen[bytes], content: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(content)
    process.stdin.flush()


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


BAD_LINES: list[tuple[Json | bytes, str]] = [
    (b"not json", "must be valid JSON in UTF-8, without lone surrogates"),
    (b'{"message_id": "\xff"}', "must be valid JSON in UTF-8, without lone surrogates"),
    (b'{"x":' + b"[" * 5_000, "must be valid JSON in UTF-8, without lone surrogates"),
    (b"[]", "must be a JSON object"),
    (message(**{"from": "0170 the private text"}), "from must be an E.164 number: "),
    (without("to"), "to is required: an E.164 number: "),
    (message(ts="2025-02-30T00:00:00Z"), "ts must be an RFC 3339 instant in UTC"),
    (message(message_id=" "), "message_id must be a string of 1 to 255 characters"),
    (message(text="private text\0"), "text must not contain U+0000"),
    (message(text="private text" * 1_000), "text must be null or a string of at most 4,096"),
]


class TestBadLines:
    def test_are_told_by_number_and_rule_and_nothing_else(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        good = messages(len(BAD_LINES))
        lines: list[Json | bytes] = []
        for (bad, _), fine in zip(BAD_LINES, good, strict=True):
            lines += [fine, b"", bad]
        file = written(tmp_path / "messages.ndjson", lines)
        assert main([file]) == 1
        output = capsys.readouterr()
        told = output.err.splitlines()
        for number, ((_, reason), line) in enumerate(zip(BAD_LINES, told, strict=True), 1):
            assert line.startswith(f"{file}:{number * 3}: {reason}")
        assert "private text" not in output.err + output.out
        assert counts(output.out)["rejected"] == len(BAD_LINES)
        assert "        3  must be valid JSON" in output.out
        assert stored(database) == good

    def test_are_kept_as_they_were(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bad = [encode(line) for line, _ in BAD_LINES] + [b'\xef\xbb\xbf {"a": 1}\r']
        file = written(tmp_path / "messages.ndjson", [*messages(2), *bad, *messages(2, 2)])
        rejects = tmp_path / "rejects.ndjson"
        rejects.write_text("of the last run")
        assert main([file, "--rejects", str(rejects)]) == 1
        assert rejects.read_bytes() == ndjson(bad)
        assert counts(capsys.readouterr().out)["rejected"] == len(bad)
        assert stored(database) == messages(4)

    def test_can_be_imported_once_they_are_mended(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wanted = messages(1_000)
        spoilt = [
            encode(line).replace(b'"+49', b'"0') if number % 3 == 0 else encode(line)
            for number, line in enumerate(wanted)
        ]
        rejects = tmp_path / "rejects.ndjson"
        assert main([written(tmp_path / "x.gz", spoilt), "--rejects", str(rejects)]) == 1
        capsys.readouterr()
        rejects.write_bytes(rejects.read_bytes().replace(b'"0', b'"+49'))
        again = tmp_path / "again.ndjson"
        code, found = imported(capsys, str(rejects), "--rejects", str(again))
        assert (code, found["created"]) == (0, 334)
        assert again.read_bytes() == b""
        assert stored(database) == wanted

    def test_are_only_counted_when_they_are_many(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = written(tmp_path / "messages.ndjson", [b"{}"] * 5_000)
        assert main([file]) == 1
        output = capsys.readouterr()
        told = output.err.splitlines()
        assert len(told) == REASONS_MAX + 1
        assert told[-1] == "from here on, rejected lines are only counted"
        assert counts(output.out)["rejected"] == counts(output.out)["read"] == 5_000

    def test_on_standard_input_are_told_too(self) -> None:
        with started("-") as process:
            _, errors = process.communicate(b"\n\n1")
        assert process.returncode == 1
        assert errors == b"standard input:3: must be a JSON object\n"

    def test_their_numbers_begin_anew_with_each_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = [written(tmp_path / name, [message(), b"1"]) for name in ("a", "b")]
        assert main(files) == 1
        errors = capsys.readouterr().err
        assert [line.split(" ")[0] for line in errors.splitlines()] == [f"{f}:2:" for f in files]


class TestLongLines:
    LIMIT = 1_000

    @pytest.fixture(autouse=True)
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAX_BODY_BYTES", str(self.LIMIT))

    def line(self, size: int, message_id: str) -> bytes:
        """A message in so many bytes, most of them in a field that is ignored."""
        bare = encode(message(message_id=message_id, filler=""))
        return bare.replace(b'"filler": "', b'"filler": "' + b"x" * (size - len(bare)))

    @pytest.mark.parametrize("size", [LIMIT + 1, 300_000, 700_000, 3_000_000])
    def test_are_rejected_and_kept(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str], size: int
    ) -> None:
        good = [self.line(self.LIMIT, f"good-{number}") for number in range(3)]
        long = [self.line(size, f"long-{number}") for number in range(2)]
        bad = [b"short and bad"]
        lines = [good[0], bad[0], long[0], good[1], b"", long[1], long[1], good[2], long[0]]
        file = written(tmp_path / "messages.gz", lines)
        rejects = tmp_path / "rejects"
        assert main([file, "--rejects", str(rejects)]) == 1
        output = capsys.readouterr()
        reason = "must be at most 1,000 bytes long (MAX_BODY_BYTES)"
        assert f"{file}:3: {reason}\n{file}:6: {reason}\n{file}:7: {reason}\n" in output.err
        assert f"{file}:9: {reason}\n" in output.err
        assert counts(output.out)["read"] == 8
        assert rejects.read_bytes() == ndjson([bad[0], long[0], long[1], long[1], long[0]])
        assert [row["message_id"] for row in stored(database)] == ["good-0", "good-1", "good-2"]

    def test_that_are_cut_off_are_not_glued_to_others(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        noise = random.Random(1).randbytes(1_000_000).hex().encode()
        cut = Path(written(tmp_path / "cut.gz", [noise]))
        cut.write_bytes(cut.read_bytes()[:900_000])
        bad = written(tmp_path / "bad.ndjson", [b"bad"])
        rejects = tmp_path / "rejects"
        assert main([str(cut), bad, "--rejects", str(rejects)]) == 1
        assert f"{cut}: cannot be read past line 0: it is cut off\n" in capsys.readouterr().err
        part, rest = rejects.read_bytes().split(b"\n", 1)
        assert noise.startswith(part)
        assert len(part) > self.LIMIT
        assert rest == b"bad\n"

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_cost_no_memory(self, tmp_path: Path) -> None:
        """256 MiB in one line, out of a file of 256 KiB."""
        file = tmp_path / "bomb.gz"
        with gzip.open(file, "wb", compresslevel=1) as bomb:
            for _ in range(256):
                bomb.write(bytes(1 << 20))
        program = (
            "import re, sys\n"
            "from pathlib import Path\n"
            "from service.commands.import_.command import main\n"
            "code = main(sys.argv[1:])\n"
            # Not ru_maxrss, which begins with what the process had that started this one.
            "status = Path('/proc/self/status').read_text()\n"
            "print(code, re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(file), "--rejects", os.devnull],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        code, peak = map(int, done.stdout.splitlines()[-1].split())
        assert code == 1
        assert peak < 150_000


class TestLines:
    @given(
        st.binary(max_size=60).map(lambda content: content.replace(b"\xff", b"\n")),
        st.lists(st.integers(0, 60), max_size=8),
        st.integers(0, 30),
    )
    def test_are_all_there_however_they_are_cut(
        self, content: bytes, cuts: Sequence[int], line_bytes_max: int
    ) -> None:
        places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
        chunks = [content[begin:end] for begin, end in pairwise(places) if end]
        whole, longest = [], max(map(len, chunks), default=0)
        pieces = b""
        for found in split(chunks, line_bytes_max):
            if isinstance(found, Piece):
                assert len(found.content) <= line_bytes_max + longest
                pieces += found.content
                if found.is_last:
                    assert len(pieces) > line_bytes_max
                    whole.append(pieces)
                    pieces = b""
            elif found:
                assert pieces == b""
                assert all(len(line) <= line_bytes_max + longest for line in found)
                whole += found
        expected = content.split(b"\n")
        assert whole == (expected if expected[-1] else expected[:-1])


class TestExport:
    @pytest.mark.parametrize("suffix", ["ndjson", "ndjson.gz", "ndjson.zst"])
    @settings(max_examples=10, deadline=None)
    @given(sets=st.lists(st.lists(sent, max_size=20), min_size=1, max_size=2))
    def test_what_was_exported_is_imported_as_it_was(
        self, suffix: str, sets: list[list[Sent]]
    ) -> None:
        """Whatever came from files, in any order, with any repetitions and conflicts."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = [
                written(folder / f"{number}.ndjson", [each.content() for each in group])
                for number, group in enumerate(sets)
            ]
            exports = [folder / f"first.{suffix}", folder / f"second.{suffix}"]
            in_database(folder / "first.db", main, files)
            in_database(folder / "first.db", export, ["--output", str(exports[0])])
            in_database(folder / "second.db", main, [str(exports[0])])
            in_database(folder / "second.db", export, ["--output", str(exports[1])])
            first, second = (read(path) for path in exports)
        expected = Model.of(each.row() for group in sets for each in group).rows
        assert first == second
        assert [decode_row(line) for line in first.splitlines()] == expected


def in_database(database: Path, run: Callable[[list[str]], int], arguments: list[str]) -> None:
    """Run a command that must succeed, with this database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{database}")
        assert run(arguments) == 0


def read(path: Path) -> bytes:
    with path.open("rb") as raw:
        return compression.reading(raw, path.name).read()


def decode_row(line: bytes) -> Row:
    found = decode_message(line)
    return Row(found.message_id, found.from_msisdn, found.to_msisdn, found.ts, found.text)


class TestDamage:
    @pytest.mark.parametrize(
        ("suffix", "keep", "reason"),
        [
            ("gz", 0.5, "it is cut off"),
            ("gz", -1, "it is cut off"),
            ("zst", 0.5, "it is cut off"),
        ],
    )
    def test_what_is_there_of_a_truncated_file_is_stored(
        self,
        tmp_path: Path,
        database: Path,
        capsys: pytest.CaptureFixture[str],
        suffix: str,
        keep: float,
        reason: str,
    ) -> None:
        noise = random.Random(1)
        wanted = [row | {"text": noise.randbytes(300).hex()} for row in messages(3_000)]
        file = Path(written(tmp_path / f"messages.{suffix}", wanted))
        content = file.read_bytes()
        file.write_bytes(content[: -1 if keep == -1 else int(len(content) * keep)])
        after = written(tmp_path / "after.ndjson", messages(5, 5_000))
        assert main([str(file), after]) == 1
        output = capsys.readouterr()
        found = stored(database)
        read = counts(output.out)["created"]
        assert found == wanted[: read - 5] + messages(5, 5_000)
        assert read > 1_000
        assert output.err == f"{file}: cannot be read past line {read - 5:,}: {reason}\n"
        # Mended and run again, the rest comes in.
        file.write_bytes(content)
        assert imported(capsys, str(file))[0] == 0
        assert stored(database) == wanted + messages(5, 5_000)

    @pytest.mark.parametrize("suffix", ["gz", "zst"])
    def test_what_is_not_compressed_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
    ) -> None:
        file = tmp_path / f"messages.{suffix}"
        file.write_bytes(ndjson(messages(3)))
        assert main([str(file)]) == 1
        reason = "it is damaged, or not compressed as its name says"
        assert capsys.readouterr().err == f"{file}: cannot be read past line 0: {reason}\n"

    def test_a_disk_that_fails_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """/proc/self/mem can be opened, and not read at its beginning: Input/output error."""
        if not Path("/proc/self/mem").exists():
            pytest.skip("needs Linux")
        after = written(tmp_path / "after.ndjson", messages(5))
        assert main(["/proc/self/mem", after]) == 1
        output = capsys.readouterr()
        assert output.err == "/proc/self/mem: cannot be read past line 0: Input/output error\n"
        assert counts(output.out)["created"] == 5


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


class TestFailures:
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], "the following arguments are required: FILE"),
            (["-", "-"], "- (standard input) can be read only once"),
            (["none"], "cannot read none: No such file or directory"),
            (["a\0b"], "cannot read a\0b: it is not a path"),
            (["/"], "cannot read /: it is a folder"),
            (["-", "--rejects"], "argument --rejects: expected one argument"),
            (["-", "--rej", "x"], "unrecognized arguments: --rej"),
        ],
    )
    def test_senseless_arguments(
        self, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert one_line(capsys).startswith(f"import: {complaint}")

    def test_one_missing_file_and_nothing_is_done(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rejects = tmp_path / "rejects"
        rejects.write_text("precious")
        file = written(tmp_path / "messages.ndjson", messages(3))
        with pytest.raises(SystemExit):
            main([file, str(tmp_path / "none"), "--rejects", str(rejects)])
        assert not database.exists()
        assert rejects.read_text() == "precious"

    def test_rejects_over_the_input(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = written(tmp_path / "messages.ndjson", messages(3))
        (tmp_path / "link").symlink_to(file)
        with pytest.raises(SystemExit) as stop:
            main([file, "--rejects", str(tmp_path / "link")])
        assert stop.value.code == 2
        assert Path(file).read_bytes() == ndjson(messages(3))

    def test_rejects_that_cannot_be_written(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = written(tmp_path / "messages.ndjson", [*messages(3), b"bad", *messages(3, 3)])
        assert main([file, "--rejects", str(tmp_path)]) == 2
        assert one_line(capsys) == f"import: cannot write {tmp_path}: Is a directory"
        if Path("/dev/full").exists():
            assert main([file, "--rejects", "/dev/full"]) == 2
            output = capsys.readouterr()
            assert output.err == "import: cannot write /dev/full: No space left on device\n"
            assert counts(output.out)["created"] == len(stored(database)) == 3

    @pytest.mark.parametrize(
        ("variable", "value", "complaint"),
        [
            ("DATABASE_URL", "mysql://x", "DATABASE_URL must be sqlite:///"),
            ("DATABASE_URL", "sqlite:////proc/none/app.db", "DATABASE_URL: can't use /proc/none/"),
            ("MAX_BODY_BYTES", "none", "MAX_BODY_BYTES must be a whole number"),
        ],
    )
    def test_an_environment_that_makes_no_sense(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        variable: str,
        value: str,
        complaint: str,
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert main([written(tmp_path / "x", messages(1))]) == 2
        assert one_line(capsys).startswith(f"import: {complaint}")

    def test_a_file_that_is_no_database(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        database.parent.mkdir()
        database.write_bytes(b"something else" * 1_000)
        assert main([written(tmp_path / "x", messages(1))]) == 2
        assert "file is not a database" in one_line(capsys)

    def test_what_concerns_the_service_alone_is_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PORT", "none")
        assert imported(capsys, written(tmp_path / "x", messages(1)))[0] == 0

    def test_the_database_s_name_may_stand_in_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = tmp_path / "other.db"
        (tmp_path / "url").write_text(f"sqlite:///{other}\n")
        monkeypatch.delenv("DATABASE_URL")
        monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
        assert imported(capsys, written(tmp_path / "x", messages(1)))[0] == 0
        assert stored(other) == messages(1)

    def test_a_database_that_refuses_a_message(
        self, tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert stored(database) == []
        with closing(driver.connect(database, isolation_level=None)) as connection:
            connection.execute(
                "CREATE TRIGGER sabotage BEFORE INSERT ON messages"
                " WHEN NEW.message_id = 'm-009999' BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        assert main([written(tmp_path / "x", messages(10_000))]) == 2
        output = capsys.readouterr()
        assert output.err == "import: disk full\n"
        assert stored(database) == messages(counts(output.out)["created"])

    def test_a_lock_that_is_never_released(
        self,
        tmp_path: Path,
        database: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("service.commands.import_.pipeline.LOCKED_SECONDS_MAX", 0)
        assert stored(database) == []
        with locked(database):
            assert main([written(tmp_path / "x", messages(1))]) == 2
        assert one_line(capsys).endswith("database is locked")


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
        assert b"2,001 messages" in shown
        assert b" left" in shown
        assert f"{file}:2001: must be valid JSON".encode() in shown.replace(b"\r\n", b"")
        assert b" left" not in output

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        assert stop.value.code == 0
        assert "exit code: 0 when every line is stored" in capsys.readouterr().out


def is_begun(database: Path) -> bool:
    """Whether something has been stored: the log of a new database is longer than its schema."""
    log = database.with_name(database.name + "-wal")
    return log.exists() and log.stat().st_size > 1_000_000


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write inside."""
    with closing(driver.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


@contextmanager
def delivering(service: Any, senders: int) -> Iterator[list[tuple[str, int]]]:
    """Webhooks, one after another from each sender; the list gets their ids and statuses."""
    answers: list[tuple[str, int]] = []
    is_over = threading.Event()

    def deliver(sender: int) -> None:
        number = 0
        while not is_over.is_set():
            name = f"webhook-{sender}-{number}"
            answers.append((name, service.deliver(message(message_id=name)).status_code))
            number += 1

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def read_all(terminal: FileIO) -> bytes:
    """What was written to a terminal whose other side is closed; Linux ends it with an error."""
    shown = b""
    try:
        while chunk := terminal.read(65_536):
            shown += chunk
    except OSError:
        pass
    return shown


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was written to standard error, which must be one line and all there is."""
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.removesuffix("\n")
