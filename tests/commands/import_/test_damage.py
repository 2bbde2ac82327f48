"""`python -m service import`: exported files, and damaged files."""

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.commands import compression
from service.commands.export.command import main as export
from service.commands.import_.command import main
from service.messages.message import decode_message
from service.store.interface import Row
from tests.support.imports import counts, imported, messages, ndjson, stored, written
from tests.support.model import Model
from tests.support.strategies import Sent, sent


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
