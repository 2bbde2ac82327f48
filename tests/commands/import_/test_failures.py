"""`python -m service import`: bad arguments, environments and databases."""

from contextlib import closing
from pathlib import Path

import pytest

from service.commands.import_.command import main
from service.store.sqlite.connection import driver
from tests.support.imports import (
    counts,
    imported,
    locked,
    messages,
    ndjson,
    one_line,
    stored,
    written,
)


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

    def test_a_name_that_sounds_like_a_lock_is_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("service.commands.patience.LOCKED_SECONDS_MAX", 0.5)
        database = tmp_path / "database is locked.db"
        database.write_bytes(b"This is somebody's letter. " * 100)
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{database}")
        assert main([written(tmp_path / "x", messages(1))]) == 2
        assert one_line(capsys).endswith("file is not a database")

    def test_a_lock_that_is_never_released(
        self,
        tmp_path: Path,
        database: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("service.commands.patience.LOCKED_SECONDS_MAX", 0)
        assert stored(database) == []
        with locked(database):
            assert main([written(tmp_path / "x", messages(1))]) == 2
        assert one_line(capsys).endswith("database is locked")
