"""The environment: every variable at both its edges, files, and how a mistake is told."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.errors import SettingsError
from service.settings import VARIABLES, PostgresServer, Secret, Settings, SqliteFile
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import (
    ROOT,
    encode,
    message,
    running,
    signed,
)

WITH_FILE = ["WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS", "DATABASE_URL", "READ_TOKEN"]


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_defaults() -> None:
    assert read() == Settings(
        webhook_secret=None,
        webhook_secret_previous=None,
        database=SqliteFile(Path("data/app.db")),
        log_level="INFO",
        host="127.0.0.1",
        port=8000,
        body_bytes_max=1_048_576,
        queue_messages_max=10_000,
        read_token=None,
    )


def test_what_is_empty_is_not_set() -> None:
    names = [*VARIABLES, *(f"{name}_FILE" for name in WITH_FILE)]
    assert read(**dict.fromkeys(names, "")) == read()


@pytest.mark.parametrize("workers", ["", "1"])
def test_one_process_may_be_asked_for(workers: str) -> None:
    assert read(WORKERS=workers) == read()


def test_other_variables_are_none_of_ours() -> None:
    assert read(WEBHOOK="x", PORT_FILE="x", DATABASE="x", port="1") == read()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("WEBHOOK_SECRET", "x", "webhook_secret", b"x"),
        (
            "WEBHOOK_SECRET",
            " p\u00e4ss w\u00f6rd ",
            "webhook_secret",
            " p\u00e4ss w\u00f6rd ".encode(),
        ),
        ("WEBHOOK_SECRET", "k" * 10_000, "webhook_secret", b"k" * 10_000),
        ("WEBHOOK_SECRET_PREVIOUS", "x", "webhook_secret_previous", b"x"),
        ("DATABASE_URL", "sqlite:///a.db", "database", SqliteFile(Path("a.db"))),
        ("DATABASE_URL", "sqlite:///a/b c.db", "database", SqliteFile(Path("a/b c.db"))),
        ("DATABASE_URL", "sqlite:////a/b", "database", SqliteFile(Path("/a/b"))),
        ("LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
        ("LOG_LEVEL", "info", "log_level", "INFO"),
        ("LOG_LEVEL", "Warning", "log_level", "WARNING"),
        ("LOG_LEVEL", "error", "log_level", "ERROR"),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),  # noqa: S104
        ("HOST", "::1", "host", "::1"),
        ("HOST", "localhost", "host", "localhost"),
        ("HOST", "a-host.example", "host", "a-host.example"),
        ("PORT", "0", "port", 0),
        ("PORT", "1", "port", 1),
        ("PORT", "65535", "port", 65_535),
        ("MAX_BODY_BYTES", "1", "body_bytes_max", 1),
        ("MAX_BODY_BYTES", str(2**31), "body_bytes_max", 2**31),
        (
            "DATABASE_URL",
            "postgresql://host/db",
            "database",
            PostgresServer(Secret(b"postgresql://host/db")),
        ),
        (
            "DATABASE_URL",
            "postgres://u:p@h:1/d",
            "database",
            PostgresServer(Secret(b"postgres://u:p@h:1/d")),
        ),
        (
            "DATABASE_URL",
            "postgresql://a,b:2/d",
            "database",
            PostgresServer(Secret(b"postgresql://a,b:2/d")),
        ),
        ("ALLOW_ASYNC_COMMIT", "0", "allows_async_commit", False),
        ("ALLOW_ASYNC_COMMIT", "1", "allows_async_commit", True),
        ("QUEUE_LIMIT", "1", "queue_messages_max", 1),
        ("QUEUE_LIMIT", "10000000", "queue_messages_max", 10_000_000),
        ("READ_TOKEN", "x", "read_token", b"x"),
        ("READ_TOKEN", "aZ09-._~+/==", "read_token", b"aZ09-._~+/=="),
    ],
)
def test_a_value_that_makes_sense(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(read(**{name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text", "takes"),
    [
        ("DATABASE_URL", "data/app.db", "sqlite:///"),
        ("DATABASE_URL", "sqlite:", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///", "sqlite:///"),
        ("DATABASE_URL", "sqlite:////", "sqlite:///"),
        ("DATABASE_URL", "sqlite://data/app.db", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///data/", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///a.db?mode=ro", "sqlite:///"),
        ("DATABASE_URL", "SQLITE:///a.db", "sqlite:///"),
        ("DATABASE_URL", "mysql://host/db", "sqlite:///"),
        ("DATABASE_URL", "postgresql://", "postgresql://user"),
        ("DATABASE_URL", "postgresql://host", "postgresql://user"),
        ("DATABASE_URL", "postgresql://host/", "postgresql://user"),
        ("DATABASE_URL", "postgresql://ho st/db", "postgresql://user"),
        ("DATABASE_URL", "postgresql://host:port/db", "postgresql://user"),
        ("DATABASE_URL", "POSTGRESQL://host/db", "postgresql://user"),
        ("ALLOW_ASYNC_COMMIT", "yes", "1"),
        ("LOG_LEVEL", "TRACE", "DEBUG, INFO, WARNING, ERROR"),
        ("LOG_LEVEL", "10", "DEBUG, INFO, WARNING, ERROR"),
        ("LOG_LEVEL", " INFO", "DEBUG, INFO, WARNING, ERROR"),
        ("HOST", "a host", "host name"),
        ("HOST", "http://localhost", "host name"),
        ("HOST", "localhost/", "host name"),
        ("HOST", "\u00e9", "host name"),
        ("PORT", "-1", "0 to 65535"),
        ("PORT", "65536", "0 to 65535"),
        ("PORT", "http", "0 to 65535"),
        ("PORT", "80.0", "0 to 65535"),
        ("PORT", " 80", "0 to 65535"),
        ("PORT", "80\n", "0 to 65535"),
        ("PORT", "8_0", "0 to 65535"),
        ("PORT", "\u0661", "0 to 65535"),
        ("PORT", "9" * 5_000, "0 to 65535"),
        ("WORKERS", "2", "more instances"),
        ("WORKERS", "0", "1 or unset"),
        ("WORKERS", "auto", "1 or unset"),
        ("MAX_BODY_BYTES", "0", "from 1 to"),
        ("MAX_BODY_BYTES", str(2**31 + 1), "from 1 to"),
        ("MAX_BODY_BYTES", "1MB", "from 1 to"),
        ("MAX_BODY_BYTES", "1e6", "from 1 to"),
        ("QUEUE_LIMIT", "0", "from 1 to"),
        ("QUEUE_LIMIT", "10000001", "from 1 to"),
        ("QUEUE_LIMIT", "-5", "from 1 to"),
        ("READ_TOKEN", "a b", "bearer token"),
        ("READ_TOKEN", "=", "bearer token"),
        ("READ_TOKEN", "a=b", "bearer token"),
        ("READ_TOKEN", "tok\u00e9n", "bearer token"),
        ("READ_TOKEN", "token\n", "bearer token"),
    ],
)
def test_a_value_that_makes_none(name: str, text: str, takes: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**{name: text})
    assert str(raised.value).startswith(f"{name} must be ")
    assert takes in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_mistaken_secret_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as raised:
        read(READ_TOKEN="not a token")
    assert "not a token" not in str(raised.value)


def test_secrets_do_not_show_themselves() -> None:
    shown = repr(
        read(
            WEBHOOK_SECRET="mark-1",
            WEBHOOK_SECRET_PREVIOUS="mark-2",
            READ_TOKEN="mark-3",
            DATABASE_URL="postgresql://user:mark-4@host/database",
        )
    )
    assert "mark" not in shown


# Files

CONTENT = dict.fromkeys(WITH_FILE, "value") | {"DATABASE_URL": "sqlite:///value"}


@pytest.mark.parametrize("name", WITH_FILE)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"], ids=repr)
def test_a_file_may_hold_the_value(tmp_path: Path, name: str, end: str) -> None:
    file = tmp_path / "file"
    file.write_text(CONTENT[name] + end, newline="")
    assert read(**{f"{name}_FILE": str(file)}) == read(**{name: CONTENT[name]})


@pytest.mark.parametrize("name", WITH_FILE)
@pytest.mark.parametrize("content", ["", "\n", "\r\n\n"], ids=repr)
def test_an_empty_file_is_a_mistake(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / "file"
    file.write_text(content, newline="")
    with pytest.raises(SettingsError, match=f"^{name}_FILE must be .* is empty$"):
        read(**{f"{name}_FILE": str(file)})


@pytest.mark.parametrize("name", WITH_FILE)
@pytest.mark.parametrize("kind", ["missing", "folder", "nul"])
def test_a_file_that_can_not_be_read_is_a_mistake(tmp_path: Path, name: str, kind: str) -> None:
    path = {"missing": f"{tmp_path}/missing", "folder": str(tmp_path), "nul": "a\0b"}[kind]
    with pytest.raises(SettingsError, match=f"^{name}_FILE must be a readable file"):
        read(**{f"{name}_FILE": path})


@pytest.mark.parametrize("name", WITH_FILE)
def test_a_value_and_a_file_are_one_too_many(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text(CONTENT[name])
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE"):
        read(**{name: CONTENT[name], f"{name}_FILE": str(file)})


@pytest.mark.parametrize("name", ["DATABASE_URL", "READ_TOKEN"])
def test_a_mistake_in_a_file_names_the_file_variable(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("a b")
    with pytest.raises(SettingsError, match=f"^{name}_FILE must be "):
        read(**{f"{name}_FILE": str(file)})


def test_a_secret_may_be_any_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff\xfe \x80")
    assert read(WEBHOOK_SECRET_FILE=str(file)).webhook_secret == b"\xff\xfe \x80"


# Rotation


@pytest.mark.anyio
async def test_a_secret_is_rotated_without_losing_a_webhook(tmp_path: Path) -> None:
    """First the old one, then both, then the new one: each sender may change in between."""
    body = encode(message())
    for environment, expected in (
        ({"WEBHOOK_SECRET": "old"}, {"old": 200, "new": 401}),
        ({"WEBHOOK_SECRET": "new", "WEBHOOK_SECRET_PREVIOUS": "old"}, {"old": 200, "new": 200}),
        ({"WEBHOOK_SECRET": "new"}, {"old": 401, "new": 200}),
    ):
        async with running(tmp_path, **environment) as service:
            for secret, status in expected.items():
                response = await service.deliver(body, signed(body, secret))
                assert response.status_code == status


# A process tells its mistake in one line


def fail(arguments: list[str], folder: Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a start that must fail."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", *arguments],
        cwd=ROOT,
        env=clean_environment(
            **{"DATABASE_URL": f"sqlite:///{folder}/app.db", "PORT": "0"} | environment
        ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PORT": "http"}, "PORT must be a whole number from 0 to 65535"),
        ({"WORKERS": "2"}, "WORKERS must be 1 or unset"),
        ({"DATABASE_URL": "postgresql://user:pa55word@host:x/db"}, "DATABASE_URL must be"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be one of"),
        ({"HOST": "no-such-host.invalid"}, "HOST must be"),
        ({"WEBHOOK_SECRET_FILE": "/no/such/file"}, "WEBHOOK_SECRET_FILE must be"),
        ({"READ_TOKEN": "not a token"}, "READ_TOKEN must be a bearer token"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_ends_the_start_with_one_line(
    tmp_path: Path, environment: dict[str, str], named: str
) -> None:
    code, output, errors = fail([], tmp_path, **environment)
    assert (code, output) == (2, "")
    assert errors.startswith(named)
    assert errors.count("\n") == 1
    assert errors.endswith("\n")
    for secret in ("pa55word", "not a token"):
        assert secret not in errors
    assert not (tmp_path / "app.db").exists()


def test_migrate_tells_its_mistakes_in_the_same_way(tmp_path: Path) -> None:
    code, output, errors = fail(["migrate"], tmp_path, DATABASE_URL="x")
    assert (code, output, errors.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("arguments", [["--help"], ["help"], ["migrate", "--help"]], ids=" ".join)
def test_whoever_asks_for_help_gets_it_and_nothing_is_done(
    tmp_path: Path, arguments: list[str]
) -> None:
    code, output, errors = fail(arguments, tmp_path)
    assert (code, errors) == (0, "")
    assert "migrate" in output
    assert not list(tmp_path.iterdir())


def test_a_word_that_is_no_command_is_a_mistake(tmp_path: Path) -> None:
    code, output, errors = fail(["server"], tmp_path)
    assert (code, output) == (2, "")
    assert "server" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("host", ["no..host", "h" * 64])
def test_a_name_that_no_host_can_have_ends_the_start_with_one_line(
    tmp_path: Path, host: str
) -> None:
    code, _, errors = fail([], tmp_path, HOST=host)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("HOST must be")


def test_a_port_in_use_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, output, errors = fail([], tmp_path, PORT=port)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith("HOST and PORT")
    assert port in errors
    assert output == ""


def test_an_address_of_another_machine_ends_the_start_with_one_line(tmp_path: Path) -> None:
    code, _, errors = fail([], tmp_path, HOST="192.0.2.1")
    assert (code, errors.count("\n")) == (1, 1)
    assert "192.0.2.1" in errors


# What a start warns of


def warnings_of(process: ServiceProcess) -> list[str]:
    return [
        line["event"]
        for event in ("open_to_everybody", "no_secret")
        for line in process.log_lines(event)
        if line["level"] == "WARNING" and line["message"]
    ]


@pytest.mark.parametrize(
    ("environment", "warnings"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"HOST": "localhost"}, [], id="localhost"),
        pytest.param({"HOST": "0.0.0.0"}, ["open_to_everybody"], id="everybody"),  # noqa: S104
        pytest.param({"HOST": "0.0.0.0", "READ_TOKEN": "t"}, [], id="with a token"),  # noqa: S104
        pytest.param({"WEBHOOK_SECRET": ""}, ["no_secret"], id="no secret"),
    ],
)
def test_what_is_risky_is_warned_of(
    tmp_path: Path, environment: dict[str, str], warnings: list[str]
) -> None:
    with serving(tmp_path, **environment) as process:
        assert warnings_of(process) == warnings


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python knows no IPv6")
def test_ipv6_loopback_is_no_risk(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback address: {error}")
    with serving(tmp_path, HOST="::1") as process:
        assert warnings_of(process) == []


def test_folders_of_the_database_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "messages.db"
    with serving(tmp_path, DATABASE_URL=f"sqlite:///{path}") as process:
        assert process.deliver(message()).status_code == 200
    assert path.is_file()


def test_a_relative_database_is_relative_to_where_the_service_starts(tmp_path: Path) -> None:
    relative = os.path.relpath(tmp_path / "here.db", ROOT)
    with serving(tmp_path, DATABASE_URL=f"sqlite:///{relative}"):
        assert (tmp_path / "here.db").is_file()
