"""The process: how it starts, stops, is killed, and lives with a database in trouble."""

import http.client
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.store.sqlite.connection import driver
from tests.support.kinds import empty_database, environment_of, on_each_database
from tests.support.postgres.databases import connected
from tests.support.processes import NO_TLS, ServiceProcess, clean_environment, serving
from tests.support.service import ROOT, encode, message, signed, wait_until

STOP_SECONDS_MAX = 10


class Load:
    """Threads that deliver messages, each once, and note which of them were acknowledged."""

    def __init__(self, port: int, name: str) -> None:
        self.acknowledged: list[str] = []
        self._port = port
        self._name = name
        self._is_over = False
        self._threads = [threading.Thread(target=self._deliver, args=(n,)) for n in range(8)]

    def __enter__(self) -> "list[str]":
        for thread in self._threads:
            thread.start()
        return self.acknowledged

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join()

    def _deliver(self, thread: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with closing(connection):
            for number in range(100_000):
                message_id = f"{self._name}-{thread}-{number}"
                body = encode(message(message_id=message_id))
                try:
                    connection.request("POST", "/webhook", body, signed(body))
                    response = connection.getresponse()
                    response.read()
                except (OSError, http.client.HTTPException):
                    return
                if response.status == 200:
                    self.acknowledged.append(message_id)
                if self._is_over:
                    return


def stored_ids(database: Path) -> list[str]:
    """What a file holds, read without the service."""
    with closing(driver.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute("SELECT message_id FROM messages")]


def content_of(database: Path) -> list[Any]:
    """The schema, and what was migrated and stored."""
    with closing(driver.connect(database)) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608
            for table in ("sqlite_schema", "migrations", "messages")
        ]


def assert_holds(database: Path, acknowledged: list[str]) -> None:
    """Every acknowledged message is there, and none twice."""
    ids = stored_ids(database)
    assert set(acknowledged) <= set(ids)
    assert len(ids) == len(set(ids))


@contextmanager
def half_a_request(port: int) -> Iterator[socket.socket]:
    """A client that is in the middle of its body, and stays there."""
    body = encode(message())
    head = f"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(head.encode() + body[:-1])
        yield client


# Start and stop


def test_from_nothing_to_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        assert process.get("/health/ready").status_code == 200
        assert process.deliver(message()).status_code == 200
    assert stored_ids(process.database) == ["m-1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_under_load_loses_no_acknowledged_message(tmp_path: Path, number: int) -> None:
    with (
        ServiceProcess(tmp_path, {}) as process,
        Load(process.port, "m") as acknowledged,
    ):
        wait_until(lambda: len(acknowledged) > 200)
        process.process.send_signal(number)
        assert process.process.wait(STOP_SECONDS_MAX) == 0
        process.wait()
    assert_holds(process.database, acknowledged)
    assert not process.database.with_name("app.db-wal").exists()
    assert process.errors == ""
    assert b'"level":"ERROR"' not in process.output
    logged = {line["message_id"] for line in process.log_lines() if line["status"] == 200}
    assert set(acknowledged) <= logged


def test_a_stop_still_answers_on_connections_that_are_idle(tmp_path: Path) -> None:
    """A proxy may have sent its next request before it hears of the stop."""
    with ServiceProcess(tmp_path, {}) as process:
        with httpx.Client(base_url=process.url, verify=NO_TLS) as client:
            assert "connection" not in client.get("/health/live").headers
            process.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not listens(process.port))
            answer = client.get("/health/live")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert process.wait() == 0


def listens(port: int) -> bool:
    with suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


def test_a_client_that_does_not_end_its_request_does_not_hold_a_stop_for_ever(
    tmp_path: Path,
) -> None:
    with ServiceProcess(tmp_path, {}) as process, half_a_request(process.port) as client:
        assert process.deliver(message()).status_code == 200
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(STOP_SECONDS_MAX) == 0
        process.wait()
        assert client.recv(1_000).startswith(b"HTTP/1.1 503 ")
    assert stored_ids(process.database) == ["m-1"]
    assert process.errors == ""
    (line,) = [line for line in process.log_lines() if line["status"] == 503]
    assert line["path"] == "/webhook"


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_second_ctrl_c_waits_for_no_client_and_keeps_what_was_promised(
    tmp_path: Path, first: int
) -> None:
    with ServiceProcess(tmp_path, {}) as process, half_a_request(process.port):
        assert process.deliver(message()).status_code == 200
        process.process.send_signal(first)
        process.wait_for_line("server", lambda line: "Waiting for connections" in line["message"])
        assert process.stop(signal.SIGINT) == 0
    assert not process.database.with_name("app.db-wal").exists()
    assert stored_ids(process.database) == ["m-1"]
    assert process.errors == ""


def test_two_signals_at_once_under_load(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, {}) as process, Load(process.port, "m") as acknowledged:
        wait_until(lambda: len(acknowledged) > 50)
        process.process.send_signal(signal.SIGINT)
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(STOP_SECONDS_MAX) == 0
        process.wait()
    assert_holds(process.database, acknowledged)
    assert not process.database.with_name("app.db-wal").exists()
    assert process.errors == ""


@on_each_database
def test_killed_five_times_over_one_database(tmp_path: Path, database_url: str) -> None:
    """Nothing acknowledged is lost, nothing is there twice, and the counts agree."""
    acknowledged: list[str] = []
    environment = environment_of(database_url)
    for life in range(5):
        with (
            ServiceProcess(tmp_path, environment) as process,
            Load(process.port, f"{life}") as delivered,
        ):
            wait_until(lambda: len(delivered) > 100)
            assert process.stop(signal.SIGKILL) == -signal.SIGKILL
        acknowledged += delivered
    with serving(tmp_path, **environment) as process:
        total = process.get("/stats").json()["total_messages"]
        assert process.get("/messages?q=hello&limit=1").json()["total"] == total
        assert process.deliver(message(message_id=acknowledged[0])).status_code == 200
        exported = process.get("/messages/export").text.splitlines()
    assert process.log_lines("request")[-2]["dup"] is True
    ids = [json.loads(line)["message_id"] for line in exported]
    assert set(acknowledged) <= set(ids)
    assert len(ids) == len(set(ids)) == total
    if process.database.exists():
        assert_holds(process.database, acknowledged)


# A stop before the start is over


@contextmanager
def locked(kind: str, url: str) -> Iterator[None]:
    """Somebody has the lock that a start waits for."""
    if kind == "sqlite":
        with closing(driver.connect(urlsplit(url).path[1:], isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        with connected(url) as run:
            run("BEGIN")
            run("SELECT number FROM migrations WHERE number = 0 FOR UPDATE")
            yield


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_signal_while_the_database_opens(tmp_path: Path, kind: str, number: int) -> None:
    with empty_database(kind, tmp_path) as url:
        environment = environment_of(url)
        with ServiceProcess(tmp_path, environment):
            pass  # the database is there
        with locked(kind, url):
            process = ServiceProcess(tmp_path, environment)
            process.wait_for_line("server", lambda line: line["message"].startswith("Waiting"))
            time.sleep(0.3)  # until it waits for the lock
            process.process.send_signal(number)
            try:
                assert process.process.wait(STOP_SECONDS_MAX) == 0
            finally:
                process.process.kill()
                process.wait()
        assert process.errors == ""
        assert not process.log_lines("listening")


# A database that can't be used


def start_in_vain(database: Path, prefix: tuple[str, ...] = (), folder: Path = ROOT) -> str:
    """The one line that a start with this file says; it must end with the code 1."""
    said = start_in_vain_with(f"sqlite:///{database}", prefix, folder)
    assert str(database) in said
    return said


def start_in_vain_with(url: str, prefix: tuple[str, ...] = (), folder: Path = ROOT) -> str:
    """The one line that a start with this database says; it must end with the code 1."""
    done = subprocess.run(
        [*prefix, sys.executable, "-W", "error", "-m", "service"],
        cwd=folder,
        env=clean_environment(DATABASE_URL=url, PORT="0"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("DATABASE_URL: ")
    assert done.stderr.count("\n") == 1
    assert "listening" not in done.stdout
    return done.stderr


PASSWORD = "a-private-password"


def test_a_server_that_is_not_there() -> None:
    said = start_in_vain_with(f"postgresql://me:{PASSWORD}@127.0.0.1:1/webhooks")
    assert "can't use postgresql://127.0.0.1:1/webhooks: " in said
    assert PASSWORD not in said


@pytest.mark.parametrize("host", ["no..host", "h" * 64])
def test_a_server_whose_name_no_host_can_have(host: str) -> None:
    said = start_in_vain_with(f"postgresql://me:{PASSWORD}@{host}/webhooks")
    assert f"can't use postgresql://{host}/webhooks: its host" in said
    assert PASSWORD not in said


def test_a_password_that_is_wrong() -> None:
    with empty_database("postgres", Path()) as url:
        parts = urlsplit(url)
        strange = parts._replace(netloc=f"{parts.username}:{PASSWORD}@127.0.0.1:{parts.port}")
        said = start_in_vain_with(strange.geturl())
    assert "password authentication failed" in said
    assert PASSWORD not in said


def test_a_server_that_does_not_flush() -> None:
    """The tests' own: it must be said that this is meant."""
    with empty_database("postgres", Path()) as url:
        assert "ALLOW_ASYNC_COMMIT=1" in start_in_vain_with(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    database.write_bytes(b"no database " * 1_000)
    assert "not a database" in start_in_vain(database)
    assert database.read_bytes() == b"no database " * 1_000


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        process.deliver(message())
    content = process.database.read_bytes()
    process.database.write_bytes(content[: len(content) // 2])
    assert "malformed" in start_in_vain(process.database)


def test_a_folder(tmp_path: Path) -> None:
    assert "unable to open" in start_in_vain(tmp_path)


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    start_in_vain(tmp_path / "file" / "app.db")


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        process.deliver(message())
    with closing(driver.connect(process.database)) as connection:
        connection.execute(
            "INSERT INTO migrations VALUES (9999, '9999_from_the_future.sql', '', 0)"
        )
        connection.commit()
    said = start_in_vain(process.database)
    assert "newer version" in said
    assert "9999_from_the_future.sql" in said
    assert stored_ids(process.database) == ["m-1"]


def test_a_database_with_an_edited_migration(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        pass
    with closing(driver.connect(process.database)) as connection:
        connection.execute("UPDATE migrations SET digest = 'another' WHERE number = 1")
        connection.commit()
    assert "0001_" in start_in_vain(process.database)


# Root may write everywhere: it does without that right, so that a file can be read-only for it.
WITHOUT_OVERRIDE = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
if os.geteuid() == 0:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            sys.exit("prctl failed")
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_database_that_is_read_only(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    database = folder / "app.db"
    with serving(tmp_path, DATABASE_URL=f"sqlite:///{database}") as process:
        process.deliver(message())
    content = database.read_bytes()
    read_only = database if kind == "file" else folder
    read_only.chmod(0o444 if kind == "file" else 0o555)
    try:
        said = start_in_vain(database, prefix=(sys.executable, "-c", WITHOUT_OVERRIDE))
    finally:
        read_only.chmod(0o755)
    assert "and the service runs as" in said
    assert database.read_bytes() == content


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the service, whose SQL a test may change."""
    folder = tmp_path / "checkout"
    for name in ("service", "sql"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def next_migration(checkout: Path) -> Path:
    migrations = checkout / "sql" / "sqlite" / "migrations"
    return migrations / f"{len(list(migrations.iterdir())) + 1:04}_of_a_test.sql"


def test_a_migration_that_fails_half_way_leaves_nothing(tmp_path: Path, checkout: Path) -> None:
    with serving(tmp_path) as process:
        process.deliver(message())
    before = content_of(process.database)
    migration = next_migration(checkout)
    migration.write_text(
        "CREATE TABLE half (a TEXT) STRICT;\n"
        "UPDATE messages SET text = 'changed';\n"
        "INSERT INTO no_such_table VALUES (1);\n"
    )
    said = start_in_vain(process.database, folder=checkout)
    assert migration.name in said
    assert "no_such_table" in said
    assert content_of(process.database) == before


def test_a_migration_that_failed_can_be_mended(tmp_path: Path, checkout: Path) -> None:
    database = tmp_path / "app.db"
    migration = next_migration(checkout)
    migration.write_text("CREATE TABLE whole (a TEXT) STRICT;\nnonsense;\n")
    start_in_vain(database, folder=checkout)
    migration.write_text("CREATE TABLE whole (a TEXT) STRICT;\n")
    migrate(database, checkout)
    with closing(driver.connect(database)) as connection:
        connection.execute("SELECT a FROM whole")


def migrate(database: Path, folder: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", "migrate"],
        cwd=folder,
        env=clean_environment(DATABASE_URL=f"sqlite:///{database}"),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_migrate_brings_a_database_up_to_date_and_may_be_repeated(tmp_path: Path) -> None:
    database = tmp_path / "new" / "app.db"
    for _ in range(2):
        migrate(database)
    assert stored_ids(database) == []


def test_migrate_beside_a_running_service(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        migrate(process.database)
        assert process.deliver(message()).status_code == 200


# A database in trouble while the service runs


def wait_for_ready(process: ServiceProcess, status: int) -> None:
    wait_until(lambda: process.get("/health/ready").status_code == status)


def test_a_database_that_somebody_locks(tmp_path: Path) -> None:
    """Not ready, no 200, and no restart needed when the lock is gone."""
    with serving(tmp_path) as process:
        with closing(driver.connect(process.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            response = process.deliver(message())
            assert response.status_code == 503
            assert response.headers["retry-after"]
            wait_for_ready(process, 503)
            assert "locked" in process.get("/health/ready").json()["detail"]
            assert process.get("/messages").json()["data"] == []
            assert process.get("/health/live").status_code == 200
            connection.execute("ROLLBACK")
        wait_for_ready(process, 200)
        assert process.deliver(message()).status_code == 200
    assert stored_ids(process.database) == ["m-1"]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit is Linux's")
def test_a_disk_that_fails(tmp_path: Path) -> None:
    """A write that fails in the middle ends the process, and the next start has the rest."""
    with ServiceProcess(tmp_path, {}) as process:
        assert process.deliver(message(message_id="before")).status_code == 200
        wal = process.database.with_name("app.db-wal")
        part_of_a_frame = (wal.stat().st_size + 1_000, resource.RLIM_INFINITY)
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, part_of_a_frame)
        with pytest.raises(httpx.RemoteProtocolError):
            process.deliver(message(message_id="failed"))
        assert process.wait() == 1
        assert len(process.log_lines("disk_failed")) == 1
        assert process.errors == ""
    with serving(tmp_path) as process:
        assert process.deliver(message(message_id="after")).status_code == 200
    assert sorted(stored_ids(process.database)) == ["after", "before"]
