"""Several processes of the service: one address, one /metrics, one log, one start and one stop."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.http.sockets import IS_BALANCED
from tests.process.test_process import STOP_SECONDS_MAX, Load, half_a_request
from tests.support.postgres.suite import empty_database, shared_server
from tests.support.processes import NO_TLS, ServiceProcess, clean_environment
from tests.support.service import (
    ROOT,
    WAIT_SECONDS,
    Json,
    message,
    parse_lines,
    samples,
    wait_until,
)
from tests.telemetry.test_logs import fill, free_port

CREATED = 'webhook_requests_total{result="created"}'
POSTED = 'http_requests_total{method="POST",path="/webhook",status="200"}'
TIMED = 'http_request_duration_seconds_count{method="POST",path="/webhook"}'
COUNTERS = (CREATED, POSTED, TIMED, "ingest_batch_messages_sum")


def database() -> AbstractContextManager[str]:
    """The URL of an empty database that takes more than one process."""
    return empty_database(trigrams=False)


def on(url: str, workers: int = 3) -> dict[str, str]:
    """What a service of so many workers on the tests' server wants."""
    return {"DATABASE_URL": url, "ALLOW_ASYNC_COMMIT": "1", "WORKERS": str(workers)}


def ask(url: str, sql: str) -> list[Any]:
    """The rows of a statement, run in the database of `url`."""
    return shared_server(trigrams=False).admin(sql, urlsplit(url).path.strip("/"))


@contextlib.contextmanager
def several(folder: Path, workers: int = 3, prefix: Sequence[str] = ()) -> Iterator[ServiceProcess]:
    """A service of so many workers, all of which listen, on a database of its own."""
    with database() as url, ServiceProcess(folder, on(url, workers), prefix) as process:
        process.wait_for_line("listening", lambda _: len(process.log_lines("listening")) == workers)
        yield process
        if process.process.poll() is None:
            assert process.stop() == 0
            assert process.errors == ""


def pids(process: ServiceProcess) -> dict[int, int]:
    """The worker's processes by their numbers, as the log tells them."""
    starts = [
        (line["worker"], re.fullmatch(r"Started server process \[(\d+)\]", line["message"]))
        for line in process.log_lines("server")
    ]
    return {worker: int(found[1]) for worker, found in starts if found}


def metrics_of(process: ServiceProcess) -> dict[str, float]:
    return samples(process.get("/metrics").text)


def counters_of(process: ServiceProcess) -> list[float]:
    metrics = metrics_of(process)
    return [metrics[name] for name in COUNTERS]


def deliver(process: ServiceProcess, *numbers: int) -> None:
    for number in numbers:
        assert process.deliver(message(message_id=str(number))).status_code == 200


# One address


def test_all_workers_answer_on_one_port_with_ids_of_their_own(tmp_path: Path) -> None:
    with several(tmp_path) as process:
        lines = process.log_lines("listening")
        assert {line["worker"] for line in lines} == {1, 2, 3}
        assert {line["port"] for line in lines} == {process.port}
        answers = [process.get("/health/ready") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 50
    if IS_BALANCED:
        assert len({request_id.partition("-")[0] for request_id in ids}) == 3


def test_a_port_that_another_service_has_is_not_shared_with_it(tmp_path: Path) -> None:
    with several(tmp_path, workers=2) as process:
        done = start_in_vain("postgresql://host/other", port=process.port)
    assert done.returncode == 1
    assert done.stderr.startswith("HOST and PORT: ")
    assert done.stderr.count("\n") == 1


def test_a_standard_error_that_is_closed_keeps_no_worker_from_ending_well(tmp_path: Path) -> None:
    with several(tmp_path, workers=2, prefix=("sh", "-c", 'exec "$@" 2>&-', "sh")) as process:
        assert process.stop() == 0


# One /metrics


def test_counters_add_up_and_stay_when_a_worker_is_killed(tmp_path: Path) -> None:
    with several(tmp_path) as process:
        deliver(process, *range(30))
        for _ in range(9):  # whoever answers
            assert counters_of(process) == [30] * 4
        before = metrics_of(process)
        killed = pids(process)[2]
        os.kill(killed, signal.SIGKILL)
        line = process.wait_for_line("worker_ended")
        assert counters_of(process) == [30] * 4
        assert before.keys() <= metrics_of(process).keys()
        process.wait_for_line("listening", lambda _: len(process.log_lines("listening")) == 4)
        deliver(process, *range(30, 50))
        assert counters_of(process) == [50] * 4
        assert pids(process)[2] != killed
    assert (line["level"], line["worker"], line["pid"]) == ("ERROR", 2, killed)
    assert line["reason"] == "SIGKILL"


@pytest.mark.skipif(not Path("/proc").exists(), reason="a process is measured in /proc")
def test_the_metrics_of_the_process_speak_for_all(tmp_path: Path) -> None:
    with several(tmp_path) as process:
        living = pids(process) | {0: process.process.pid}
        # What the others have is up to a second old.
        wait_until(lambda: metrics_of(process)["process_max_fds"] == open_files_max(living))
        before = metrics_of(process)
        os.kill(living.pop(1), signal.SIGKILL)
        process.wait_for_line("worker_ended")
        after = metrics_of(process)
    assert after["process_max_fds"] == before["process_max_fds"] * 3 / 4
    assert 0 < after["process_open_fds"] < before["process_open_fds"]
    assert after["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"] > 0
    assert after["process_start_time_seconds"] == before["process_start_time_seconds"]
    assert abs(after["process_start_time_seconds"] - time.time()) < WAIT_SECONDS


def open_files_max(living: dict[int, int]) -> int:
    limits = [Path(f"/proc/{pid}/limits").read_text() for pid in living.values()]
    return sum(int(limit.split("Max open files")[1].split()[0]) for limit in limits)


def test_gauges_add_up(tmp_path: Path) -> None:
    with several(tmp_path) as process, ExitStack() as connections:
        for _ in range(20):
            address = ("127.0.0.1", process.port)
            connections.enter_context(socket.create_connection(address))
        wait_for_connections(process, 20)


def wait_for_connections(process: ServiceProcess, count: int) -> None:
    """What the others have is up to a second old; the one that asks is a connection, too."""
    wait_until(lambda: metrics_of(process)["http_connections"] == count + 1)


# One log

WRITERS = """
import os, sys
from service.telemetry.logs import Log
from service.telemetry.output import Output, SharedOutput, create_lock
shared = SharedOutput(1, create_lock()) if sys.argv[1] == "shared" else Output(1)
for writer in range(4):
    if os.fork() == 0:
        log = Log("INFO", shared, writer=writer)
        for number in range(2_000):
            log.info("long", number=number, filling="x" * 300)
        log._closing = True
        log._wake.set()
        log._thread.join()
        os._exit(0)
for _ in range(4):
    os.wait()
"""


def test_no_line_is_cut_by_another_workers() -> None:
    script = [sys.executable, "-c", WRITERS, "shared"]
    output = subprocess.run(script, cwd=ROOT, stdout=subprocess.PIPE, timeout=60, check=True).stdout
    lines = parse_lines(output)
    for writer in range(4):
        numbers = [line["number"] for line in lines if line["writer"] == writer]
        assert numbers == list(range(2_000))


KILLED_WRITER = """
import os, signal, time
from service.telemetry.output import SharedOutput, create_lock
output = SharedOutput(1, create_lock())
writer = os.fork()
if writer == 0:
    output.write(b'{"event":"cut' + b"x" * 1_000_000)
time.sleep(0.3)
assert not output.offer(b'{"event":"late"}\\n'), "the lock is the writer's"
os.kill(writer, signal.SIGKILL)
os.wait()
output.write(b'{"event":"whole"}\\n')
output.write(b'{"event":"next"}\\n')
"""


def test_a_worker_killed_in_a_line_spoils_no_other() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        time.sleep(1)  # nobody reads: the writer is in the middle of its line
        output = process.stdout.read()
    assert process.returncode == 0
    first, *others = output.splitlines()
    assert first.startswith(b'{"event":"cutxxx')
    assert others == [b'{"event":"whole"}', b'{"event":"next"}']


def test_a_blocked_standard_output_blocks_no_worker(tmp_path: Path, pipe: tuple[int, int]) -> None:
    _, writer = pipe
    fill(writer)
    with (
        database() as url,
        ServiceProcess(tmp_path, on(url, 2) | {"PORT": free_port()}, stdout=writer) as process,
    ):
        deliver(process, *range(20))
        started = time.monotonic()
        assert process.stop() == 0
    assert time.monotonic() - started < STOP_SECONDS_MAX
    assert process.errors == ""


# One start


def start_in_vain(
    url: str, program: Sequence[str] = ("-m", "service"), port: int = 0
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", *program],
        cwd=ROOT,
        env=clean_environment(**on(url), PORT=str(port)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_what_keeps_the_workers_from_starting_is_said_once() -> None:
    done = start_in_vain("postgresql://user:pa55word@127.0.0.1:1/nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_URL: ")
    assert "pa55word" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "listening" not in done.stdout


MISTAKEN = """
import runpy, service.workers
service.workers.run = lambda *_: 1 / 0
runpy.run_module("service", run_name="__main__")
"""


def test_a_mistake_that_keeps_the_workers_from_starting_ends_them_all() -> None:
    with database() as url:
        done = start_in_vain(url, ("-c", MISTAKEN))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.endswith("\na worker ended at its start: exit code 1\n")
    assert done.stdout == ""


def test_a_worker_that_keeps_ending_is_started_ever_later_and_misses_nobody(
    tmp_path: Path,
) -> None:
    with database() as url, ServiceProcess(tmp_path, on(url, workers=2)) as process:
        process.wait_for_line("listening", lambda _: len(process.log_lines("listening")) == 2)
        name = urlsplit(url).path.strip("/")
        shared_server(trigrams=False).admin(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        os.kill(pids(process)[2], signal.SIGKILL)
        process.wait_for_line("worker_ended", lambda line: line["starts_again_in_seconds"] == 2)
        lines = process.log_lines("worker_ended")
        for _ in range(20):  # none is left to a worker that is not there
            started = time.monotonic()
            assert process.get("/health/live").status_code == 200
            assert time.monotonic() - started < 1
        shared_server(trigrams=False).admin(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        process.wait_for_line("listening", lambda _: len(process.log_lines("listening")) == 3)
        if IS_BALANCED:
            wait_until(lambda: answers_of(process) == 2)
    assert [line["starts_again_in_seconds"] for line in lines] == [0.5, 1, 2]
    assert lines[0]["reason"] == "SIGKILL"
    assert lines[1]["reason"].startswith("DATABASE_URL: ")
    assert {line["worker"] for line in lines} == {2}


def answers_of(process: ServiceProcess) -> int:
    """How many workers answer."""
    ids = [process.get("/health/live").headers["x-request-id"] for _ in range(10)]
    return len({request_id.partition("-")[0] for request_id in ids})


# One stop


def test_sigterm_under_load_loses_no_acknowledged_message(tmp_path: Path) -> None:
    with database() as url, ServiceProcess(tmp_path, on(url)) as process:
        with Load(process.port, "m") as acknowledged:
            wait_until(lambda: len(acknowledged) > 100)
            process.process.send_signal(signal.SIGTERM)
            assert process.process.wait(STOP_SECONDS_MAX) == 0
            process.wait()
        stored = [row[0] for row in ask(url, "SELECT message_id FROM messages")]
    assert set(acknowledged) <= set(stored)
    assert process.errors == ""
    logged = {line["message_id"] for line in process.log_lines() if line["status"] == 200}
    assert set(acknowledged) <= logged


def test_a_second_ctrl_c_waits_for_no_client(tmp_path: Path) -> None:
    with several(tmp_path) as process, half_a_request(process.port):
        wait_for_connections(process, 1)
        process.process.send_signal(signal.SIGINT)
        process.wait_for_line("server", lambda line: "Waiting for connections" in line["message"])
        started = time.monotonic()
        assert process.stop(signal.SIGINT) == 0
        assert time.monotonic() - started < 5
    assert process.errors == ""


GROUP = "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])"


def test_a_ctrl_c_at_a_terminal_waits_for_clients(tmp_path: Path) -> None:
    """It signals the whole group: to get it twice would mean haste, which the operator has not."""
    prefix = (sys.executable, "-c", GROUP)
    with (
        several(tmp_path, prefix=prefix) as process,
        half_a_request(process.port) as client,
    ):
        wait_for_connections(process, 1)
        os.killpg(process.process.pid, signal.SIGINT)
        process.wait_for_line("server", lambda line: "Waiting for connections" in line["message"])
        client.sendall(b"}")
        assert client.recv(1_000).startswith(b"HTTP/1.1 401 ")
        assert process.wait() == 0
    assert process.errors == ""


def test_no_worker_outlives_the_supervisor(tmp_path: Path) -> None:
    with several(tmp_path) as process:
        assert process.stop(signal.SIGKILL) == -signal.SIGKILL  # and standard output is at its end
        assert not process._reader.is_alive()
        with pytest.raises(httpx.ConnectError):
            httpx.get(process.url, verify=NO_TLS)
    assert process.errors == ""
    lines: list[Json] = process.log_lines("supervisor_gone")
    assert {line["worker"] for line in lines} == {1, 2, 3}
