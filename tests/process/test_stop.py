"""A stop in a rollout: the probe turns red first, and the port closes after the delay."""

import signal
import socket
import time
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.processes import NO_TLS, ServiceProcess, serving
from tests.support.service import Json, message

DELAY_SECONDS = 3


def test_after_the_signal_it_goes_on_serving_and_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path, STOP_DELAY_SECONDS=str(DELAY_SECONDS)) as process:
        assert process.get("/health/ready").status_code == 200
        begun = time.monotonic()
        process.process.terminate()
        while process.get("/health/ready").status_code == 200:
            assert time.monotonic() - begun < 1
        assert process.get("/health/ready").json()["detail"] == "the service is stopping"
        while time.monotonic() - begun < DELAY_SECONDS - 1:
            assert process.deliver(message(message_id=str(time.monotonic()))).status_code == 200
        assert process.process.wait(10) == 0
        assert DELAY_SECONDS <= time.monotonic() - begun < DELAY_SECONDS + 3


def test_a_second_signal_ends_the_delay(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, {"STOP_DELAY_SECONDS": "60"}) as process:
        process.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.process.poll() is None
        begun = time.monotonic()
        assert process.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 5


def test_without_a_delay_a_kept_connection_hears_that_it_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as process, httpx.Client(base_url=process.url, verify=NO_TLS) as client:
        assert client.get("/health/ready").status_code == 200
        process.process.terminate()
        time.sleep(0.25)
        assert client.get("/health/ready").status_code == 503


def test_an_idle_connection_is_kept_for_so_long(tmp_path: Path) -> None:
    with (
        serving(tmp_path, KEEP_ALIVE_SECONDS="1") as process,
        socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection,
    ):
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.9 <= time.monotonic() - begun < 3


def _came_from(address: str, line: Json) -> bool:
    return bool(line["client"] == address)


def test_every_address_of_both_families(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    with serving(tmp_path, HOST="::", READ_TOKEN="t") as process:
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, process.port), timeout=30) as connection:
                connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
                assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
            process.wait_for_line("request", partial(_came_from, address))
