"""`python -m service import`: bad lines and long lines."""

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.commands.import_.batches import REASONS_MAX
from service.commands.import_.command import main
from service.commands.import_.lines import Piece, split
from tests.support.imports import counts, imported, messages, ndjson, started, stored, written
from tests.support.service import ROOT, Json, encode, message, without

BAD_LINES: list[tuple[Json | bytes, str]] = [
    (b"not json", "must be valid JSON in UTF-8"),
    (b'{"message_id": "\xff"}', "must be valid JSON in UTF-8"),
    (b'{"x":' + b"[" * 5_000, "must be valid JSON in UTF-8"),
    (b"[]", "must be a JSON object"),
    (message(**{"from": "+49 170 the private text"}), "from must be an E.164 number: "),
    (without("to"), "to is required: an E.164 number: "),
    (message(ts="2025-02-30T00:00:00Z"), "ts must be an RFC 3339 instant with Z or an offset"),
    (message(message_id=" "), "message_id must be a string of 1 to 255 characters"),
    (message(message_id="private text\0"), "message_id must be a string of 1 to 255 characters"),
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
