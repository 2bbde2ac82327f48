"""The start of a process: errors in one line, warnings, and the folders of the database."""

import os
import re
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from service.__main__ import COMMANDS
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import (
    ROOT,
    message,
)

# A start that fails writes one line


def fail(arguments: list[str], folder: Path, **environment: str) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of a start that must fail."""
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


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]], ids=" ".join)
def test_the_general_help_has_a_line_for_each_command(tmp_path: Path, arguments: list[str]) -> None:
    code, output, errors = fail(arguments, tmp_path)
    assert (code, errors) == (0, "")
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", output, re.MULTILINE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_help_and_does_nothing_else(tmp_path: Path, name: str) -> None:
    code, output, errors = fail([name, "--help"], tmp_path)
    assert (code, errors) == (0, "")
    assert output.startswith(f"usage: python -m service {name} ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_argument_is_a_mistake_of_its_command(tmp_path: Path, name: str) -> None:
    code, output, errors = fail([name, "--no-such-argument"], tmp_path)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"{name}: ")
    assert not list(tmp_path.iterdir())


def test_the_version(tmp_path: Path) -> None:
    assert fail(["--version"], tmp_path) == (
        0,
        f"webhook-service {version('webhook-service')}\n",
        "",
    )


@pytest.mark.parametrize("word", ["server", "--port"])
def test_a_word_that_is_no_command_is_a_mistake(tmp_path: Path, word: str) -> None:
    code, output, errors = fail([word], tmp_path)
    assert (code, output) == (2, "")
    assert errors.startswith(f"unknown command: {word}\n")
    assert "Traceback" not in errors


def test_a_command_imports_no_other(tmp_path: Path) -> None:
    code = (
        "import sys; from service.__main__ import main; code = main(); "
        "print(*(name for name in sys.modules if name.startswith('service.comm')));"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "migrate"],
        cwd=ROOT,
        env=clean_environment(DATABASE_URL=f"sqlite:///{tmp_path}/app.db"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) <= {"service.commands", "service.commands.migrate"}


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


# Warnings


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
