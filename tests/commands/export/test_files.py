"""`python -m service export`: formats, files and arguments."""

import asyncio
import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from service.commands import compression
from service.commands.export.command import main
from service.commands.import_.command import main as import_
from tests.support.api.exports import (
    COMMAND,
    QUERIES,
    SOME,
    export,
    listed,
    parse_csv,
    parse_excel,
    parse_ndjson,
    without_null,
)
from tests.support.kinds import environment_of, on_each_database, on_sqlite
from tests.support.processes import clean_environment, serving
from tests.support.service import ROOT, WAIT_SECONDS, Json, message, running

pytestmark = on_each_database


@pytest.mark.usefixtures("database")
def test_to_standard_output() -> None:
    done = export()
    assert (done.code, done.errors) == (0, "export: 6 messages\n")
    assert parse_ndjson(done.output) == SOME
    done = export("--format", "csv", "--output", "-")
    assert done.code == 0
    assert parse_csv(done.output) == without_null(SOME)
    done = export("--format", "csv", "--excel")
    assert done.code == 0
    assert parse_excel(done.output) == without_null(SOME)
    done = export("--excel")
    assert (done.code, done.output) == (2, "")
    assert "--excel goes with --format csv" in done.errors


def test_the_filters_are_those_of_http(tmp_path: Path, database: str) -> None:
    async def ask() -> list[list[Json]]:
        async with running(tmp_path, DATABASE_URL=database) as service:
            return [await listed(service, query) for query in QUERIES]

    file = tmp_path / "some.ndjson"
    for query, expected in zip(QUERIES, asyncio.run(ask()), strict=True):
        options = [f"--{name}={value}" for name, value in query.items()]
        assert main([*options, "--output", str(file)]) == 0
        assert parse_ndjson(file.read_text("utf-8")) == expected, query


@on_sqlite
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("name", "arguments", "parse"),
    [
        ("all", [], parse_ndjson),
        ("all.ndjson", [], parse_ndjson),
        ("all.csv", [], parse_csv),
        ("all.CSV", [], parse_csv),
        ("all.csv.gz", [], parse_csv),
        ("all.ndjson.gz", [], parse_ndjson),
        ("all.csv.zst", [], parse_csv),
        ("all.csv.bak", ["--format", "csv"], parse_csv),
        ("all.csv", ["--format", "ndjson"], parse_ndjson),
        ("all.zst", [], parse_ndjson),
    ],
)
def test_the_format_and_the_compression_of_a_file(
    tmp_path: Path,
    name: str,
    arguments: list[str],
    parse: Callable[[str], list[Json]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / name
    assert main([*arguments, "--output", str(file)]) == 0
    with file.open("rb") as raw, compression.reading(raw, name) as content:
        text = content.read().decode()
    assert parse(text) in (SOME, without_null(SOME))
    assert capsys.readouterr() == ("", "export: 6 messages\n")
    assert not list(tmp_path.glob(".export*"))


def test_what_messaging_providers_sent_comes_back(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one database to another. An address with a comma is found, and stays in its cell."""
    sent = [
        message(message_id=name, text=name, **{"from": name, "to": "12345"})
        for name in ("+4911", "ACME", "Anna, Bert & Co", "US.13491208655302741918")
    ]
    (tmp_path / "sent").write_text("".join(f"{json.dumps(each)}\n" for each in sent))
    for name, value in environment_of(database_url).items():
        monkeypatch.setenv(name, value)
    assert import_([str(tmp_path / "sent")]) == 0
    assert parse_ndjson(export().output) == sent
    assert parse_csv(export("--format", "csv").output) == sent
    assert parse_excel(export("--format", "csv", "--excel").output) == sent
    assert parse_ndjson(export("--from", "Anna, Bert & Co", "--to", "12345").output) == sent[2:3]


@on_sqlite
@pytest.mark.usefixtures("database")
def test_one_message_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--q", "really"]) == 0
    assert capsys.readouterr().err == "export: 1 message\n"


@on_sqlite
@pytest.mark.usefixtures("database")
def test_an_instant_may_have_an_offset(tmp_path: Path) -> None:
    file = tmp_path / "some.ndjson"
    since, until = "2025-01-15T19:00:00.000002+09:00", "2025-01-15T05:00:01-05:00"
    assert main(["--since", since, "--until", until, "--output", str(file)]) == 0
    assert parse_ndjson(file.read_text("utf-8")) == SOME[3:4]


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_new_file_is_as_open_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert main(["--output", str(tmp_path / "new")]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_file_is_replaced_and_not_opened_to_more(tmp_path: Path) -> None:
    file, link = tmp_path / "old", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    assert main(["--output", str(link)]) == 0
    assert link.is_symlink()
    assert parse_ndjson(file.read_text("utf-8")) == SOME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, "--output", str(pipe)], cwd=ROOT) as process:
        assert parse_ndjson(pipe.read_text("utf-8")) == SOME
        assert process.wait(WAIT_SECONDS) == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_beside_a_running_service(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path, **environment_of(database_url)) as process:
        for number in range(3):
            process.deliver(message(message_id=f"m-{number}"))
            done = export(**clean_environment(**environment_of(database_url)))
            assert done.code == 0
            ids = [content["message_id"] for content in parse_ndjson(done.output)]
            assert ids == [f"m-{each}" for each in range(number + 1)]


def test_no_database_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    done = export("--output", str(tmp_path / "all"), DATABASE_URL=url)
    assert done.code == 1
    assert done.errors == (
        f"export: DATABASE_URL: there is no database at {tmp_path / 'other.db'}\n"
    )
    assert not list(tmp_path.iterdir())


@on_sqlite
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "+04911"], "--from must be an E.164 number"),
        (["--to="], "--to must be an E.164 number"),
        (["--since", "yesterday"], "--since must be an RFC 3339 instant"),
        (["--until", "2025-02-29T00:00:00Z"], "--until must be an RFC 3339 instant"),
        (["--q", ""], "--q must be 1 to 4,096 characters"),
        (["--q", os.fsdecode(b"caf\xe9")], "--q must be 1 to 4,096 characters in UTF-8"),
        (["--format", "json"], "--format"),
        (["--output", "."], "--output must be a file"),
        (["--limit", "1"], "--limit"),
        (["file"], "file"),
        (["--form", "csv"], "--form"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("export: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_bad_database_url(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    monkeypatch.setenv("DATABASE_URL", "mysql://")
    assert main([]) == 2
    assert "DATABASE_URL" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "exit code" in capsys.readouterr().out
