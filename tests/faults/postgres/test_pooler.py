"""PgBouncer in transaction mode: two instances share two connections, and nothing of a session."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.faults.load import Load
from tests.faults.postgres.stored import find_damage, is_indexed, stored_ids
from tests.faults.postgres.watching import BACK_SECONDS_MAX, Watch, loaded
from tests.faults.recovery import look
from tests.faults.traffic import COMMON
from tests.support.api.walks import check_a_walk_by_cursor
from tests.support.model import Model
from tests.support.postgres.pgbouncer import PgBouncer
from tests.support.postgres.server import Server
from tests.support.processes import NO_TLS, ServiceProcess, clean_environment
from tests.support.service import ROOT, Json
from tests.support.strategies import Question

POOL_SIZE = 2
MESSAGES = 500


@pytest.fixture
def pooler(durable_server: Server) -> Iterator[PgBouncer]:
    with PgBouncer(durable_server, pool_size=POOL_SIZE) as pooler:
        yield pooler


@pytest.fixture
def instances(pooler: PgBouncer, database: str, tmp_path: Path) -> Iterator[list[ServiceProcess]]:
    """Two instances, started at once on an empty database."""
    environment = {"DATABASE_URL": pooler.url(database)}
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            started.append(ServiceProcess(tmp_path / name, environment))
        yield [stack.enter_context(instance) for instance in started]
        for instance in started:
            assert instance.stop() == 0
            assert instance.errors == ""


def run_command(url: str, *arguments: str) -> str:
    """The output of a command of the service, which must end with 0."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", *arguments],
        cwd=ROOT,
        env=clean_environment(DATABASE_URL=url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_instances_share_two_connections(
    durable_server: Server,
    pooler: PgBouncer,
    database: str,
    instances: list[ServiceProcess],
    tmp_path: Path,
) -> None:
    ports = [instance.port for instance in instances]
    with Load(ports, 6, "pooled") as load:
        load.wait_for(MESSAGES, seconds=60)
        for instance in instances:
            answers = Watch(instance).ask("/messages", "/stats", f"/messages?q={quote(COMMON)}")
            assert {status for status, _ in answers.values()} == {200}
    assert {each.status for each in load.deliveries} == {200}
    assert sorted(stored_ids(durable_server, database)) == sorted(load.sent)
    for instance in instances:
        listed, complaints = look(instance, lambda: is_indexed(durable_server, database), load.sent)
        assert len(listed) == len(load.sent)
        assert complaints == []
    assert list(find_damage(durable_server, database)) == []
    check_walks(instances[1], load)
    check_commands(pooler.url(database), load, tmp_path / "exported.ndjson")
    check_sessions(durable_server, database)
    for instance in instances:
        assert not [line for line in instance.log_lines() if line["level"] == "ERROR"]
        assert instance.log_lines("commit_failed") == []
        assert b"prepared statement" not in instance.output


def check_walks(process: ServiceProcess, load: Load) -> None:
    model = Model.of(each.row() for each in load.sent.values())
    sender = next(iter(load.sent.values())).sender

    async def walk() -> None:
        async with httpx.AsyncClient(base_url=process.url, verify=NO_TLS) as client:

            async def get(path: str) -> Json:
                response = await client.get(path)
                assert response.status_code == 200, response.text
                content: Json = response.json()
                return content

            for question in (Question(sender=sender), Question(q=COMMON), Question(q="a")):
                await check_a_walk_by_cursor(get, model, question)

    asyncio.run(walk())


def check_commands(url: str, load: Load, file: Path) -> None:
    """Check that an export has every message, and that an import stores each new one once."""
    exported = run_command(url, "export")
    ids = [json.loads(line)["message_id"] for line in exported.splitlines()]
    assert sorted(ids) == sorted(load.sent)
    new = json.loads(exported.splitlines()[0]) | {"message_id": "imported"}
    file.write_text(exported + json.dumps(new) + "\n")
    for _ in range(2):
        run_command(url, "import", str(file))
    assert len(run_command(url, "export").splitlines()) == len(load.sent) + 1


def check_sessions(server: Server, database: str) -> None:
    """Check that the pooler has as many connections as allowed, with their own settings."""
    rows = server.admin("SELECT datname, application_name FROM pg_stat_activity")
    names = [row["application_name"] for row in rows if row["datname"] == database]
    assert len(names) <= POOL_SIZE
    assert set(names) <= {"webhook-service"}


def test_a_pooler_that_is_killed_and_comes_back(
    durable_server: Server, pooler: PgBouncer, database: str, instances: list[ServiceProcess]
) -> None:
    with loaded(instances[0]) as load:
        watch = Watch(instances[0])
        for _ in range(2):
            pooler.kill()
            assert watch.wait_for("/health/ready", 503) < 2
            assert watch.ask("/health/live")["/health/live"][0] == 200
            pooler.start()
            assert watch.wait_for("/health/ready", 200) < BACK_SECONDS_MAX
            load.wait_for(10)
    assert load.acknowledged <= set(stored_ids(durable_server, database))


def test_the_server_behind_a_pooler_is_killed(
    durable_server: Server, database: str, instances: list[ServiceProcess]
) -> None:
    with loaded(instances[0]) as load:
        durable_server.kill()
        durable_server.start()
        watch = Watch(instances[0])
        # PgBouncer waits for server_login_retry (15 s, if not set; here 1 s) to try again.
        assert watch.wait_for("/health/ready", 200) < 2 * BACK_SECONDS_MAX
        load.wait_for(10)
    assert load.acknowledged <= set(stored_ids(durable_server, database))
