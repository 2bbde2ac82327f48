"""The database stops, freezes or falls silent: 503 in time, and 200 again without a restart."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.load import Load
from tests.faults.postgres.stored import stored_ids
from tests.faults.postgres.watching import (
    BACK_SECONDS_MAX,
    QUERY_SECONDS_MAX,
    Watch,
    loaded,
)
from tests.support.postgres.proxy import Proxy
from tests.support.postgres.server import Server
from tests.support.processes import NO_TLS, ServiceProcess
from tests.support.service import wait_until

READS = ("/messages", "/stats", "/messages?q=hello&from=%2B491701234567")


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def swallowing(proxy: Proxy) -> Iterator[None]:
    proxy.black_hole()
    try:
        yield
    finally:
        proxy.heal()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_under_load(
    durable_server: Server, database: str, process: ServiceProcess, mode: str
) -> None:
    with loaded(process) as load:
        durable_server.stop(mode)  # type: ignore[arg-type]
        watch = Watch(process)
        assert watch.wait_for("/health/ready", 503) < 2
        assert watch.ask("/health/live")["/health/live"][0] == 200
        for status, seconds in watch.ask(*READS).values():
            assert status == 503
            assert seconds < 1
        durable_server.start()
        started = time.monotonic()
        assert watch.wait_for("/health/ready", 200) < BACK_SECONDS_MAX
        wait_until(lambda: load.accepted_after(started) < started + BACK_SECONDS_MAX)
        for status, _ in watch.ask(*READS).values():
            assert status == 200
    assert load.acknowledged <= set(stored_ids(durable_server, database))


def check_silence(
    process: ServiceProcess, silence: AbstractContextManager[None], seconds: float
) -> set[str]:
    """Check the answers while the server is silent and after; gives the acknowledged ids."""
    watch = Watch(process)
    with loaded(process) as load:
        with silence:
            began = time.monotonic()
            answers = watch.ask("/health/live", "/health/ready", *READS)
            assert answers["/health/live"][0] == 200
            assert answers["/health/live"][1] < 1
            for path in READS:
                assert answers[path][0] == 503
                assert answers[path][1] < QUERY_SECONDS_MAX + 1
            assert answers["/health/ready"][0] == 503
            time.sleep(max(0, seconds - (time.monotonic() - began)))
            assert watch.ask("/health/ready")["/health/ready"][0] == 503
        healed = time.monotonic()
        back = watch.wait_for("/health/ready", 200)
        wait_until(lambda: load.accepted_after(healed) < float("inf"))
        accepted = load.accepted_after(healed) - healed
        assert accepted < BACK_SECONDS_MAX
        assert back < BACK_SECONDS_MAX
        for status, _ in watch.ask(*READS).values():
            assert status == 200
    return load.acknowledged


def test_a_server_that_is_frozen(
    durable_server: Server, database: str, process: ServiceProcess
) -> None:
    # Long enough for the webhooks that wait after the batches that are given up.
    acknowledged = check_silence(process, frozen(durable_server), seconds=11)
    assert acknowledged <= set(stored_ids(durable_server, database))


def test_a_network_that_swallows_everything(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    with Proxy(durable_server.port) as proxy:
        url = proxy.url(durable_server.url(database))
        with ServiceProcess(tmp_path, {"DATABASE_URL": url}) as process:
            acknowledged = check_silence(process, swallowing(proxy), seconds=6)
            assert process.stop() == 0
    assert acknowledged <= set(stored_ids(durable_server, database))


def test_connections_that_break_under_load(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    with Proxy(durable_server.port) as proxy:
        url = proxy.url(durable_server.url(database))
        with ServiceProcess(tmp_path, {"DATABASE_URL": url}) as process:
            with loaded(process) as load:
                for _ in range(10):
                    proxy.reset()
                    load.wait_for(20)
            assert process.stop() == 0
    assert load.acknowledged <= set(stored_ids(durable_server, database))


def test_a_stop_while_the_server_is_frozen_ends_within_ten_seconds(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": durable_server.url(database)}
    with (
        ServiceProcess(tmp_path, environment) as process,
        frozen(durable_server),
        Load([process.port], 8, "stop") as load,
    ):
        time.sleep(0.5)
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 10
        assert process.errors == ""
    # Every delivery that was under way at the signal got its answer.
    waiting = [each.status for each in load.deliveries if each.began_at < began]
    assert waiting == [503] * 8


def test_a_stop_does_not_wait_for_a_read_that_hangs(
    durable_server: Server, database: str, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": durable_server.url(database),
        "QUERY_TIMEOUT_SECONDS": "60",
    }
    with ServiceProcess(tmp_path, environment) as process:
        assert process.get("/stats").status_code == 200
        with frozen(durable_server), ThreadPoolExecutor() as threads:
            url = f"{process.url}/stats"
            reads = [threads.submit(httpx.get, url, timeout=30, verify=NO_TLS) for _ in range(4)]
            time.sleep(0.5)
            assert process.stop() == 0
        assert {read.result().status_code for read in reads} == {503}
        assert process.errors == ""
