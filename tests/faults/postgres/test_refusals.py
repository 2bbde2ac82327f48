"""The database refuses: it is read-only, has no free connection, or is not durable any more."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from tests.faults.load import Load
from tests.faults.postgres.stored import stored_ids
from tests.faults.postgres.watching import BACK_SECONDS_MAX, Watch, loaded
from tests.support.postgres.databases import connected
from tests.support.postgres.proxy import Proxy
from tests.support.postgres.server import Server
from tests.support.processes import ServiceProcess
from tests.support.service import message, wait_until

CONNECTIONS_MAX = 10
"""The connections of one instance, as in docs/postgresql.md."""

READ_ONLY = ("SYSTEM", "default_transaction_read_only", "on")
UNDURABLE = {
    "fsync": ("SYSTEM", "fsync", "off"),
    "synchronous_commit": ("ROLE webhook", "synchronous_commit", "off"),
}
READS = ("/messages", "/stats", "/messages?q=hello")


@contextmanager
def altered(server: Server, whose: str, setting: str, value: str) -> Iterator[None]:
    """Inside, a setting of the server (`whose` is SYSTEM) or of a role has another value."""
    server.admin(f"ALTER {whose} SET {setting} = {value}")
    server.admin("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.admin(f"ALTER {whose} RESET {setting}")
        server.admin("SELECT pg_reload_conf()")
        found = "SELECT FROM pg_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"
        wait_until(lambda: not server.admin(found))


def end_connections(server: Server) -> int:
    """End the connections of the service; gives how many there were."""
    ended = server.admin(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'webhook-service'"
    )
    return len(ended)


def statuses(process: ServiceProcess, *paths: str) -> set[int]:
    return {status for status, _ in Watch(process).ask(*paths).values()}


def test_a_primary_that_only_reads(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    watch = Watch(process)
    with loaded(process) as load:
        with altered(durable_server, *READ_ONLY):
            assert watch.wait_for("/health/ready", 503) < BACK_SECONDS_MAX
            assert statuses(process, *READS) == {200}
            assert process.deliver(message()).status_code == 503
        assert watch.wait_for("/health/ready", 200) < BACK_SECONDS_MAX
    assert load.acknowledged <= set(stored_ids(durable_server, database))


def test_the_second_host_takes_over(durable_server: Server, database: str, tmp_path: Path) -> None:
    """Two servers without replication: this shows only which of them the service finds."""
    with Server(tmp_path / "second", durable_server.install) as second:
        second.create_database(database)
        second.admin("CREATE EXTENSION pg_trgm", database)
        hosts = f"127.0.0.1:{durable_server.port},127.0.0.1:{second.port}"
        url = durable_server.url(database).replace(f"127.0.0.1:{durable_server.port}", hosts)
        environment = {"DATABASE_URL": f"{url}?target_session_attrs=read-write"}
        with ServiceProcess(tmp_path, environment) as migrated:
            with altered(durable_server, *READ_ONLY):
                # The second one has no tables yet. A real standby has them.
                with ServiceProcess(tmp_path, {"DATABASE_URL": second.url(database)}):
                    pass
                assert migrated.deliver(message(message_id="a")).status_code in (200, 503)
                wait_until(lambda: migrated.deliver(message(message_id="b")).status_code == 200)
                assert "b" in stored_ids(second, database)
                assert stored_ids(durable_server, database) == []
                # Reads go to the second host as well.
                assert "b" in migrated.get("/messages").text
            with loaded(migrated):
                second.kill()
                wait_until(lambda: migrated.deliver(message(message_id="c")).status_code == 200)
                assert "c" in stored_ids(durable_server, database)
                assert '"c"' in migrated.get("/messages").text
            assert migrated.stop() == 0


def test_a_first_host_that_says_nothing_does_not_keep_the_service_from_the_second(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    with Proxy(durable_server.port) as silent:
        silent.black_hole()
        hosts = f"127.0.0.1:{silent.port},127.0.0.1:{durable_server.port}"
        url = durable_server.url(database).replace(f"127.0.0.1:{durable_server.port}", hosts)
        with ServiceProcess(tmp_path, {"DATABASE_URL": url}) as process:
            began = time.monotonic()
            assert process.deliver(message()).status_code == 200
            assert time.monotonic() - began < 1
            assert process.stop() == 0


def test_no_connection_is_left(durable_server: Server, tmp_path: Path) -> None:
    few = {"max_connections": "12", "superuser_reserved_connections": "3"}
    with Server(tmp_path / "few", durable_server.install, few) as server:
        server.create_database("app")
        environment = {"DATABASE_URL": server.url("app")}
        with ServiceProcess(tmp_path, environment) as process:
            assert process.deliver(message()).status_code == 200
            watch = Watch(process)
            with ExitStack() as others:
                while end_connections(server):
                    with suppress(asyncpg.TooManyConnectionsError):
                        while True:
                            others.enter_context(connected(server.url("postgres")))
                assert watch.wait_for("/health/ready", 503) < BACK_SECONDS_MAX
                response = process.deliver(message(message_id="refused"))
                assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
                assert statuses(process, "/stats") == {503}
                assert statuses(process, "/health/live") == {200}
            assert watch.wait_for("/health/ready", 200) < BACK_SECONDS_MAX
            assert process.deliver(message(message_id="refused")).status_code == 200
            assert process.stop() == 0


def test_one_instance_takes_as_many_connections_as_is_said(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    counts = []
    watch = Watch(process)
    with loaded(process):
        for _ in range(5):
            assert {status for status, _ in watch.ask(*READS * 8).values()} == {200}
            found = durable_server.admin("SELECT datname FROM pg_stat_activity")
            counts.append(sum(row["datname"] == database for row in found))
    assert 4 <= max(counts) <= CONNECTIONS_MAX


@pytest.mark.parametrize("setting", UNDURABLE)
def test_a_server_that_may_lose_what_it_commits_is_refused(
    durable_server: Server, database: str, tmp_path: Path, setting: str
) -> None:
    environment = {"DATABASE_URL": durable_server.url(database)}
    with altered(durable_server, *UNDURABLE[setting]):
        process = ServiceProcess(tmp_path, environment)
        assert process.wait() == 1
        assert process.errors.count("\n") == 1
        assert process.errors.startswith("DATABASE_URL: ")
        assert f"{setting} = off" in process.errors
        assert "ALLOW_ASYNC_COMMIT=1" in process.errors
        with ServiceProcess(tmp_path, environment | {"ALLOW_ASYNC_COMMIT": "1"}) as allowed:
            assert allowed.deliver(message()).status_code == 200


@pytest.mark.parametrize("setting", UNDURABLE)
def test_durability_that_is_turned_off_under_load(
    durable_server: Server, process: ServiceProcess, setting: str
) -> None:
    """No webhook gets 200 while the setting is in force."""
    watch = Watch(process)
    with loaded(process):
        with altered(durable_server, "SYSTEM", setting, "off"):
            assert watch.wait_for("/health/ready", 503) < BACK_SECONDS_MAX
            with Load([process.port], 4, "undurable") as load:
                wait_until(lambda: len(load.deliveries) > 20)
            assert {each.status for each in load.deliveries} == {503}
            assert statuses(process, "/health/live") == {200}
        assert watch.wait_for("/health/ready", 200) < BACK_SECONDS_MAX


def test_a_role_whose_commits_wait_no_more_gets_no_new_connection(
    durable_server: Server, process: ServiceProcess
) -> None:
    """A role's setting applies to new connections; existing ones keep theirs."""
    assert process.deliver(message()).status_code == 200
    with altered(durable_server, *UNDURABLE["synchronous_commit"]):
        assert process.deliver(message(message_id="as before")).status_code == 200
        assert end_connections(durable_server)
        assert process.deliver(message(message_id="refused")).status_code == 503
    assert Watch(process).wait_for("/health/ready", 200) < BACK_SECONDS_MAX
