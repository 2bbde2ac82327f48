"""Tests of the servers that other tests use."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.postgres import suite
from tests.support.postgres.install import Install, find_install
from tests.support.postgres.pgbouncer import PgBouncer
from tests.support.postgres.proxy import Proxy
from tests.support.postgres.server import Server, has_ended
from tests.support.service import ROOT, wait_until

pytestmark = pytest.mark.anyio

DELAY_SECONDS = 0.05


@pytest.fixture(scope="module")
def install() -> Install:
    found = find_install(trigrams=False) or find_install(trigrams=True)
    return found or pytest.skip("no package has PostgreSQL for this platform")


@pytest.fixture(scope="module")
def server(install: Install) -> Iterator[Server]:
    with Server(None, install, {"fsync": "on"}) as server:
        server.create_database("app")
        yield server


@pytest.mark.parametrize("trigrams", [True, False])
async def test_a_database_of_the_suite_is_empty_and_its_owner_is_no_superuser(
    trigrams: bool,
) -> None:
    names = set()
    for _ in range(2):
        with suite.empty_database(trigrams) as url:
            names.add(url)
            connection = await asyncpg.connect(url)
            assert not await connection.fetch("SELECT FROM pg_tables WHERE schemaname = 'public'")
            assert await connection.fetchval("SELECT lower('ПРИВЕТ')") == "привет"
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
            await connection.execute("CREATE TABLE things (thing text)")
            if trigrams:
                await connection.execute("CREATE EXTENSION pg_trgm")
                assert len(await connection.fetchval("SELECT show_trgm('привет мир')")) == 11
        # The test left it open. The next test with this database must not find it.
        with pytest.raises(asyncpg.PostgresConnectionError):
            await connection.fetchval("SELECT 1")
        connection.terminate()
    assert len(names) == 1


async def test_a_database_that_cannot_be_emptied_is_not_given_again() -> None:
    with suite.empty_database(trigrams=False) as first:
        connection = await asyncpg.connect(first)
        await connection.execute("CREATE SCHEMA other")
        await connection.close()
    with suite.empty_database(trigrams=False) as second:
        assert second != first


async def test_the_roles_need_their_password(server: Server) -> None:
    for url in (server.url("app"), server.socket_url("app")):
        connection = await asyncpg.connect(url)
        row = await connection.fetchrow(
            "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = user"
        )
        assert tuple(row or ()) == ("webhook", False)
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url, password="another")


def test_a_killed_server_has_what_was_committed(server: Server) -> None:
    server.admin("CREATE TABLE IF NOT EXISTS things AS SELECT 1 AS thing", "app")
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    assert len(family) > 3
    server.kill()
    assert all(map(has_ended, family))
    server.start()
    assert [tuple(row) for row in server.admin("SELECT thing FROM things", "app")] == [(1,)]
    server.restart("immediate")
    assert "not properly shut down" in server.log_file.read_text()


async def test_a_frozen_server_keeps_its_connections_and_answers_later(server: Server) -> None:
    connection = await asyncpg.connect(server.url("app"))
    server.freeze()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncpg.connect(server.url("app")), 0.2)
    answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
    assert not (await asyncio.wait({answer}, timeout=0.1))[0]
    server.thaw()
    assert await answer == 1
    await connection.close()


def test_a_start_that_fails_shows_the_log(install: Install) -> None:
    server = Server(None, install, {"shared_buffers": "a lot"})
    try:
        with pytest.raises(RuntimeError, match='invalid value for parameter "shared_buffers"'):
            server.start()
    finally:
        server.close()


SERVER_OF_ITS_OWN = """
import sys, time
from tests.support.postgres.server import Server, find_install
server = Server(None, find_install(trigrams=False) or find_install(trigrams=True))
server.start()
if "frozen" in sys.argv:
    server.freeze()
print(server.pid, server.data, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("state", ["running", "frozen"])
@pytest.mark.usefixtures("install")
def test_a_server_ends_with_the_process_that_started_it(state: str) -> None:
    command = [sys.executable, "-c", SERVER_OF_ITS_OWN, state]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, data = process.stdout.readline().split()
        family = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children()]
        process.kill()
    wait_until(lambda: all(map(has_ended, family)))
    wait_until(lambda: not Path(data).exists())


def test_the_suite_uses_the_server_it_is_told_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.admin("DROP ROLE IF EXISTS maker")
    server.admin("CREATE ROLE maker LOGIN CREATEDB PASSWORD 'its-password'")
    url = f"postgresql://maker:its-password@127.0.0.1:{server.port}/postgres"
    monkeypatch.setenv("TEST_POSTGRES_URL", url)
    databases = "SELECT datname FROM pg_database WHERE datname LIKE 'test%'"
    shared = suite.Suite()
    trigrams = server.install.trigrams
    with shared.empty_database(trigrams) as given:
        assert given.startswith(f"postgresql://maker:its-password@127.0.0.1:{server.port}/test_")
        assert len(server.admin(databases)) == 1
    with pytest.raises(pytest.skip.Exception, match="TEST_POSTGRES_URL"):
        shared.server(not trigrams)
    shared.close()
    assert server.admin(databases) == []


@pytest.mark.parametrize(
    ("has_packages", "outcome"), [(True, pytest.fail.Exception), (False, pytest.skip.Exception)]
)
def test_only_a_machine_without_packages_skips(
    has_packages: bool, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)
    monkeypatch.setattr(suite, "find_install", {}.get)
    monkeypatch.setattr(suite, "has_packages", lambda: has_packages)
    with pytest.raises(outcome, match="TEST_POSTGRES_URL must name a server"):
        suite.Suite().server(trigrams=True)


async def test_a_proxy_adds_latency(server: Server) -> None:
    with Proxy(server.port, DELAY_SECONDS) as proxy:
        connection = await asyncpg.connect(proxy.url(server.url("app")))
        assert await seconds(lambda: connection.fetchval("SELECT 1")) > DELAY_SECONDS
        proxy.delay_seconds = 0
        assert await seconds(lambda: connection.fetchval("SELECT 1")) < DELAY_SECONDS
        await connection.close()


async def test_a_proxy_breaks_connections(server: Server) -> None:
    with Proxy(server.port) as proxy:
        connection = await asyncpg.connect(proxy.url(server.url("app")))
        asking = asyncio.ensure_future(connection.fetchval("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.05)
        proxy.reset()
        with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError)):
            await asking
        another = await asyncpg.connect(proxy.url(server.url("app")))
        assert await another.fetchval("SELECT 1") == 1
        await another.close()


async def test_a_proxy_goes_silent_and_comes_back(server: Server) -> None:
    with Proxy(server.port) as proxy:
        connection = await asyncpg.connect(proxy.url(server.url("app")))
        proxy.black_hole()
        asking = asyncio.ensure_future(connection.fetchval("SELECT 1"))
        joining = asyncio.ensure_future(asyncpg.connect(proxy.url(server.url("app"))))
        assert not (await asyncio.wait({asking, joining}, timeout=0.1))[0]
        proxy.heal()
        assert await asking == 1
        await (await joining).close()
        await connection.close()


async def test_a_muted_proxy_forwards_requests_and_no_answers(server: Server) -> None:
    server.admin("CREATE TABLE unseen (thing text)", "app")
    server.admin("ALTER TABLE unseen OWNER TO webhook", "app")
    with Proxy(server.port) as proxy:
        connection = await asyncpg.connect(proxy.url(server.url("app")))
        proxy.mute()
        asking = asyncio.ensure_future(connection.execute("INSERT INTO unseen VALUES ('it')"))
        while not server.admin("SELECT FROM unseen", "app"):  # noqa: ASYNC110 - asks a database
            await asyncio.sleep(0.01)
        assert not asking.done()
        proxy.reset()
        with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError)):
            await asking


async def test_pgbouncer_shares_few_connections_among_many(server: Server) -> None:
    with PgBouncer(server, pool_size=2) as bouncer:
        connections = [
            await asyncpg.connect(bouncer.url("app"), statement_cache_size=0) for _ in range(5)
        ]
        pids = {await connection.fetchval("SELECT pg_backend_pid()") for connection in connections}
        assert len(pids) <= 2
        for connection in connections:
            await connection.close()


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """The seconds that it takes."""
    begin = time.perf_counter()
    await work()
    return time.perf_counter() - begin
