"""The environment: every variable at its limits, values in files, and the errors."""

from pathlib import Path
from typing import Any

import pytest

from service.errors import SettingsError
from service.settings import VARIABLES, PostgresServer, Settings, SqliteFile
from service.variables import Secret
from tests.support.service import (
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
            "p\u00e4ss w\u00f6rd",
            "webhook_secret",
            "p\u00e4ss w\u00f6rd".encode(),
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
        ("HOST", "a host", "host name"),
        ("HOST", "http://localhost", "host name"),
        ("HOST", "localhost/", "host name"),
        ("HOST", "\u00e9", "host name"),
        ("PORT", "-1", "0 to 65535"),
        ("PORT", "65536", "0 to 65535"),
        ("PORT", "http", "0 to 65535"),
        ("PORT", "80.0", "0 to 65535"),
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
    ],
)
def test_a_value_that_makes_none(name: str, text: str, takes: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**{name: text})
    assert str(raised.value).startswith(f"{name} must be ")
    assert takes in str(raised.value)
    assert "\n" not in str(raised.value)


CONTENT = dict.fromkeys(WITH_FILE, "value") | {"DATABASE_URL": "sqlite:///value"}
AROUND = [
    ("", ""),
    ("", "\n"),
    ("", "\r\n"),
    ("", "\n\n"),
    (" \t", "\v\f "),
    ("\ufeff", "\r\n"),
    (" \ufeff ", "\ufeff"),
]


@pytest.mark.parametrize("name", WITH_FILE)
@pytest.mark.parametrize(("start", "end"), AROUND, ids=repr)
def test_what_is_around_a_value_is_removed(name: str, start: str, end: str) -> None:
    assert read(**{name: start + CONTENT[name] + end}) == read(**{name: CONTENT[name]})
    assert read(PORT=f"{start}80{end}").port == 80


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("blank", [" ", "\n", "\ufeff", " \ufeff\r\n"], ids=repr)
def test_a_blank_value_is_a_mistake(name: str, blank: str) -> None:
    """It must not start a service that is open, or without a secret."""
    with pytest.raises(SettingsError, match=f"^{name} must be .*, and not only white space$"):
        read(**{name: blank})


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


@pytest.mark.parametrize("name", WITH_FILE)
@pytest.mark.parametrize(("start", "end"), AROUND, ids=repr)
def test_a_file_may_hold_the_value(tmp_path: Path, name: str, start: str, end: str) -> None:
    file = tmp_path / "file"
    file.write_text(start + CONTENT[name] + end, "utf-8", newline="")
    assert read(**{f"{name}_FILE": f"{file}\n"}) == read(**{name: CONTENT[name]})


@pytest.mark.parametrize("name", WITH_FILE)
@pytest.mark.parametrize("content", ["", "\n", "\r\n\n", " \t", "\ufeff\r\n"], ids=repr)
def test_an_empty_file_is_a_mistake(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / "file"
    file.write_text(content, "utf-8", newline="")
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
    """The old secret, then both, then the new one. Each sender changes while both are valid."""
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
