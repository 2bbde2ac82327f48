"""The log's thread and buffer: when nobody reads the log, lines are lost and nothing else."""

import contextlib
import os
from pathlib import Path

import pytest

from service.telemetry import logs
from service.telemetry.logs import Log
from tests.support.processes import ServiceProcess, free_port
from tests.support.service import (
    Json,
    message,
    parse_lines,
    running,
    samples,
    wait_until,
)


def read_all(descriptor: int) -> list[Json]:
    with os.fdopen(descriptor, "rb") as file:
        return parse_lines(file.read())


def fill(writer: int) -> int:
    """Fill a pipe with empty lines, and return their number."""
    os.set_blocking(writer, False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.write(writer, b"\n")
    os.set_blocking(writer, True)
    return count


def test_what_does_not_fit_is_dropped_and_counted_and_warnings_last(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LINES_MAX", 10)
    monkeypatch.setattr(logs, "URGENT_LINES_RESERVE", 5)
    reader, writer = pipe
    filling = fill(writer)
    log = Log("INFO", writer)
    # The thread takes the first line, and blocks on its write.
    log.info("stuck")
    wait_until(lambda: not log._lines)
    for number in range(20):
        log.info("often", number=number)
    assert log.lines_dropped == 10
    for number in range(20):
        log.warning("seldom", number=number)
    assert log.lines_dropped == 25
    assert os.read(reader, filling) == b"\n" * filling
    log.close()
    os.close(writer)
    events = [line["event"] for line in read_all(reader)]
    assert events == ["stuck"] + ["often"] * 10 + ["seldom"] * 5


@pytest.mark.anyio
async def test_dropped_lines_are_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as service:
        monkeypatch.setattr(logs, "LINES_MAX", 0)
        for _ in range(3):
            await service.get("/health/live")
        assert (await service.metrics())["log_lines_dropped_total"] == 3


def test_a_blocked_standard_output_blocks_no_request(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """Nobody reads from the start. Webhooks are stored, and the process stops in time."""
    _, writer = pipe
    fill(writer)
    with ServiceProcess(tmp_path, {"PORT": free_port()}, stdout=writer) as process:
        for number in range(100):
            assert process.deliver(message(message_id=str(number))).status_code == 200
        assert process.get("/stats").json()["total_messages"] == 100
        assert process.stop() == 0
    assert process.errors == ""


def test_a_standard_output_that_nobody_will_ever_read_costs_only_lines(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    with ServiceProcess(tmp_path, {"PORT": free_port()}, stdout=writer) as process:
        os.close(reader)
        assert process.deliver(message()).status_code == 200
        wait_until(lambda: samples(process.get("/metrics").text)["log_lines_dropped_total"] > 0)
        assert process.stop() == 0
    assert process.errors == ""


def test_a_slow_reader_gets_every_line_whole(pipe: tuple[int, int]) -> None:
    """The pipe takes a part of a block at a time and does not block, like some terminals."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    log = Log("INFO", writer)
    for number in range(500):
        log.info("long", number=number, filling="x" * 100)
    output = b""
    while output.count(b"\n") < 500:
        output += os.read(reader, 512)
    log.close()
    assert [line["number"] for line in parse_lines(output)] == list(range(500))
    assert log.lines_dropped == 0


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        for number in range(3_000):
            log.info("many", number=number)
        log.close()
    lines = parse_lines((tmp_path / "log").read_bytes())
    assert [line["number"] for line in lines] == list(range(3_000))


def test_closing_gives_up_on_a_reader_that_does_not_read(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "CLOSE_SECONDS", 0.05)
    reader, writer = pipe
    fill(writer)
    log = Log("INFO", writer)
    log.info("stuck")
    log.close()
    os.close(reader)
    log._thread.join()
    assert log.lines_dropped == 1
