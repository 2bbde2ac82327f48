"""Two processes on one PostgreSQL behind Caddy, with the Caddyfile of compose.yml."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.support.postgres import suite
from tests.support.postgres.server import find_port
from tests.support.processes import NO_TLS, ServiceProcess
from tests.support.senders import SENDERS_COUNT, Senders
from tests.support.service import ROOT, WAIT_SECONDS, encode, message, signed, wait_until

CADDYFILE = ROOT / "deploy" / "compose" / "Caddyfile"
VALID_AND_LARGE_BYTES = 900_000
MESSAGES = 300
"""How many are acknowledged before and after each event, in half a second."""

SECONDS_MAX = 5
"""The longest time of an attempt. Providers wait for so long."""


class Replica:
    """A process of the service that keeps its port over restarts."""

    def __init__(self, folder: Path, database_url: str) -> None:
        folder.mkdir()
        self.port = find_port()
        self._folder = folder
        self._environment = {
            "DATABASE_URL": database_url,
            "PORT": str(self.port),
            "ALLOW_ASYNC_COMMIT": "1",  # the suite's server never loses power
        }

    def start(self) -> None:
        self.process = ServiceProcess(self._folder, self._environment)
        self.process.__enter__()

    def end(self) -> None:
        self.process.__exit__()

    def restart(self) -> None:
        assert self.process.stop() == 0
        self.start()

    def has_logged(self, message_id: str) -> bool:
        lines = self.process.log_lines()
        return any(line.get("message_id") == message_id for line in lines)


class Balancer:
    """Caddy before two replicas."""

    def __init__(self, caddy: str, folder: Path, database_url: str) -> None:
        self.port = find_port()
        self.replicas = [Replica(folder / name, database_url) for name in ("one", "two")]
        self._caddy = caddy
        self._folder = folder

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as started:
            for replica in self.replicas:
                replica.start()
                started.callback(replica.end)
            started.enter_context(self._proxy())
            self._ending = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    @contextlib.contextmanager
    def _proxy(self) -> Iterator[None]:
        home = str(self._folder)
        environment = {
            "PATH": os.defpath,
            "HOME": home,
            "XDG_CONFIG_HOME": home,
            "XDG_DATA_HOME": home,
            "PORT": str(self.port),
            "REPLICAS": " ".join(f"127.0.0.1:{replica.port}" for replica in self.replicas),
        }
        command = [self._caddy, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
        with (self._folder / "caddy.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or self._listens())
            assert process.poll() is None, (self._folder / "caddy.log").read_text()
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_SECONDS) == 0
        finally:
            process.kill()
            process.wait()

    def _listens(self) -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def request(
        self, method: str, path: str, content: bytes = b"", **headers: str
    ) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, content=content, headers=headers, verify=NO_TLS)

    def deliver(self, body: bytes, **headers: str) -> httpx.Response:
        return self.request("POST", "/webhook", body, **signed(body) | headers)

    def stored_ids(self) -> list[str]:
        export = self.request("GET", "/messages/export")
        return [json.loads(line)["message_id"] for line in export.text.splitlines()]


def find_caddy() -> str | None:
    """The program, from the tests' packages or this machine."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("caddy", path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Balancer]:
    caddy = find_caddy()
    if caddy is None:
        pytest.skip("there is no Caddy for this platform among the packages, nor on the PATH")
    with (
        suite.empty_database(trigrams=True) as url,
        Balancer(caddy, tmp_path, url) as balancer,
    ):
        yield balancer


def test_webhooks_and_reads_pass(balancer: Balancer) -> None:
    body = encode(message())
    answer = balancer.deliver(body, **{"X-Request-ID": "of-the-sender"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["X-Request-ID"] == "of-the-sender"
    assert balancer.deliver(body).status_code == 200
    assert balancer.deliver(body, **{"X-Signature": "00"}).status_code == 401
    assert balancer.request("GET", "/messages?from=%2B491701234567").json()["total"] == 1
    large = encode(message(message_id="large") | {"ignored": "x" * VALID_AND_LARGE_BYTES})
    assert balancer.deliver(large).status_code == 200
    assert balancer.deliver(large + b" " * 200_000).status_code == 413
    assert sorted(balancer.stored_ids()) == ["large", "m-1"]


def test_both_replicas_get_webhooks(balancer: Balancer) -> None:
    with Senders(balancer.port) as senders:
        senders.wait_for(100)
    for replica in balancer.replicas:
        assert any(replica.has_logged(message_id) for message_id in senders.acknowledged)


def test_each_replica_has_its_metrics_and_the_balancer_none(balancer: Balancer) -> None:
    answer = balancer.request("GET", "/metrics")
    assert answer.status_code == 404
    assert "replica-1:8000" in answer.json()["detail"]
    for replica in balancer.replicas:
        assert "webhook_requests_total" in replica.process.get("/metrics").text


def test_acknowledged_messages_survive_a_killed_replica(balancer: Balancer) -> None:
    with Senders(balancer.port) as senders:
        for replica in balancer.replicas:
            senders.wait_for(MESSAGES)
            assert replica.process.stop(signal.SIGKILL) == -signal.SIGKILL
            senders.wait_for(MESSAGES)
            replica.start()
    check_all_is_stored_once(balancer, senders)


def test_replicas_restarted_one_after_the_other_lose_no_webhook(balancer: Balancer) -> None:
    with Senders(balancer.port) as senders:
        for replica in balancer.replicas:
            senders.wait_for(MESSAGES)
            replica.restart()
        senders.wait_for(MESSAGES)
    check_all_is_stored_once(balancer, senders)


def check_all_is_stored_once(balancer: Balancer, senders: Senders) -> None:
    """Check that every message is stored once, and that few retries were needed."""
    assert set(senders.answers) <= {200, 502}
    assert senders.answers[502] <= 2 * SENDERS_COUNT  # once for each connection that broke
    assert senders.seconds_max < SECONDS_MAX
    stored = balancer.stored_ids()
    assert len(stored) == len(set(stored))
    assert set(stored) == set(senders.acknowledged)


def test_clients_that_leave_do_no_harm_to_others(balancer: Balancer) -> None:
    # If the balancer counted their failures against a replica, they could stop it. If it kept
    # bodies to send them again, they could alter the requests of others.
    head = b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n"
    with Senders(balancer.port) as senders:
        senders.wait_for(MESSAGES)
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", balancer.port)) as client:
                client.sendall(head + b" " * 200_000)
        senders.wait_for(MESSAGES)
    assert set(senders.answers) == {200}
    assert senders.seconds_max < SECONDS_MAX
