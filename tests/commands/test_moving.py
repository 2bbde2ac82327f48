"""From SQLite to PostgreSQL while webhooks come, by the commands of docs/postgresql.md."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import suite
from tests.support.postgres.data import PASSWORD
from tests.support.postgres.server import find_port
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.senders import Senders
from tests.support.service import ROOT, message

SQLITE = "DATABASE_URL=sqlite:///data/app.db"
POSTGRES = "DATABASE_URL_FILE=database_url"
COPY = f"{SQLITE} python -m service export | {POSTGRES} python -m service import -"
COPY_BACK = f"{POSTGRES} python -m service export | {SQLITE} python -m service import -"
MESSAGES = 500


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """The folder of the SQLite file, in the one where the commands are typed."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, as the file `database_url` holds it."""
    with suite.empty_database(trigrams=True) as url:
        (tmp_path / "database_url").write_text(url + "\n")
        yield url


def run(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as it is typed there; nobody takes the power from the suite's server."""
    environment |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath])}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=clean_environment(ALLOW_ASYNC_COMMIT="1", **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def copy(folder: Path, command: str = COPY) -> dict[str, int]:
    """Run a command of the page; gives the import's counts."""
    page = (ROOT / "docs" / "postgresql.md").read_text().replace("\\\n", " ")
    assert command in " ".join(page.split())
    done = run(folder, command)
    assert done.returncode == 0, done.stderr
    return {
        word: int(count.replace(",", ""))
        for count, word in re.findall(r"^ +([\d,]+)  (\w+)", done.stdout, re.MULTILINE)
    }


def stored(process: ServiceProcess) -> list[str]:
    lines = process.get("/messages/export").text.splitlines()
    return [json.loads(line)["message_id"] for line in lines]


def test_nothing_is_lost_on_the_way_to_postgresql(
    tmp_path: Path, folder: Path, postgres: str
) -> None:
    port = find_port()
    on_postgres = {"DATABASE_URL": postgres, "ALLOW_ASYNC_COMMIT": "1"}
    with contextlib.ExitStack() as sending:
        with serving(folder, PORT=str(port)):
            senders = sending.enter_context(Senders(port))
            senders.wait_for(MESSAGES)
            assert copy(tmp_path)["created"] >= MESSAGES
            senders.wait_for(MESSAGES)
        with serving(folder, PORT=str(port), **on_postgres) as moved:
            senders.wait_for(MESSAGES)
            assert copy(tmp_path)["created"] >= MESSAGES
            senders.wait_for(MESSAGES)
            again = copy(tmp_path)
            assert (again["created"], again["conflict"], again["rejected"]) == (0, 0, 0)
            sending.close()
            found = stored(moved)
    assert len(found) == len(set(found))
    assert set(found) == set(senders.acknowledged)


def test_what_came_with_other_fields_meanwhile_stays(
    tmp_path: Path, folder: Path, postgres: str
) -> None:
    with serving(folder) as process:
        assert process.deliver(message()).status_code == 200
    with serving(folder, DATABASE_URL=postgres, ALLOW_ASYNC_COMMIT="1") as moved:
        assert moved.deliver(message(text="Later")).status_code == 200
        assert copy(tmp_path)["conflict"] == 1
        assert moved.get("/messages").json()["data"] == [message(text="Later")]


def test_a_command_of_the_same_kind_leads_back(tmp_path: Path, folder: Path, postgres: str) -> None:
    with serving(folder, DATABASE_URL=postgres, ALLOW_ASYNC_COMMIT="1") as process:
        assert process.deliver(message()).status_code == 200
    assert copy(tmp_path, COPY_BACK)["created"] == 1
    with serving(folder) as back:
        assert back.get("/messages").json()["data"] == [message()]


HIDDEN = "hunter"
"""In all the passwords below."""


@pytest.mark.parametrize(
    ("url", "exit_code", "says"),
    [
        ("webhook:hunter2@HOST/a", 1, "password authentication failed"),
        ("webhook:hunter2@127.0.0.1:1/a", 1, "Connect call failed"),
        ("webhook:hunter2@host.invalid/a", 1, "not known"),
        ("webhook:PASSWORD@HOST/other", 1, 'database "other" does not exist'),
        ("webhook:PASSWORD@HOST/DATABASE?sslmode=require", 1, "rejected SSL upgrade"),
        ("webhook:hunter2@HOST/a?sslmode=always", 1, "`sslmode` parameter must be one of"),
        ("HOST/a?user=webhook&password=hunter2", 1, "password authentication failed"),
        ("webhook:hunter2@HOST,127.0.0.1:1/a", 1, "password authentication failed"),
        ("webhook:hunter2@HOST:port/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter2@127.0.0.1:65536/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter2@127.0.0.1:0,HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter/2@HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:1/hunter@HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter@2@HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter#2@HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter?2@HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter[2@HOST/a", 2, "DATABASE_URL must be"),
        ("webhook:hunter2@HOST", 2, "DATABASE_URL must be"),
    ],
)
def test_a_database_that_cannot_be_used_costs_one_line_without_the_password(
    tmp_path: Path, postgres: str, url: str, exit_code: int, says: str
) -> None:
    _, place = postgres.split("@")
    host, database = place.split("/")
    for word, value in (("HOST", host), ("DATABASE", database), ("PASSWORD", PASSWORD)):
        url = url.replace(word, value)
    check_refusal(
        run(tmp_path, "python -m service export", DATABASE_URL=f"postgresql://{url}"),
        exit_code,
        says,
    )


@pytest.mark.parametrize(("command", "exit_code"), [("migrate", 1), ("import -", 2)])
def test_the_other_commands_refuse_it_alike(
    tmp_path: Path, postgres: str, command: str, exit_code: int
) -> None:
    url = postgres.replace(PASSWORD, "hunter2")
    done = run(tmp_path, f"python -m service {command}", DATABASE_URL=url)
    check_refusal(done, exit_code, "password authentication failed")


def check_refusal(done: subprocess.CompletedProcess[str], exit_code: int, says: str) -> None:
    """That it is told in one line, and that no line holds a password."""
    assert done.returncode == exit_code
    assert says in done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert PASSWORD not in done.stderr
    assert HIDDEN not in done.stderr
