"""How answers, errors and latencies are counted and shown."""

import errno
import os
import pty
import socket
from io import FileIO

import aiohttp
import pytest

from service.commands.send.command import main
from service.commands.send.load import detail_of, kind_of
from service.commands.send.tally import Latencies, Tally
from tests.commands.send.receiver import Receiver, free_port, one_line, started


class TestAnswers:
    def test_another_secret_than_the_service_s(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", receiver.url, "--count", "7", "--secret", "not-the-one"]) == 1
        output = capsys.readouterr()
        assert "        7  401 Unauthorized: invalid signature\n" in output.out
        assert "not-the-one" not in output.out + output.err

    def test_every_status_is_counted_with_its_first_reason(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        receiver.refusals = [
            (503, b'{"detail":"the queue is full"}'),
            (500, b"\x1b[31mno\xffpe" + b"!" * 100_000),
            (307, b""),
            (599, b'{"detail":7}'),
        ]
        assert main(["--url", receiver.url, "--count", "10"]) == 1
        counts = capsys.readouterr().out.splitlines()[1:-1]
        assert [line.strip() for line in counts] == [
            "6  200 OK",
            "1  307 Temporary Redirect",
            "1  500 Internal Server Error: " + ("?[31mno\ufffdpe" + "!" * 200)[:200],
            "1  503 Service Unavailable: the queue is full",
            '1  599 : {"detail":7}',
        ]

    def test_a_connection_closed_without_one(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        receiver.refusals = [(0, b""), (0, b"")]
        assert main(["--url", receiver.url, "--count", "10", "--connections", "1"]) == 1
        output = capsys.readouterr().out
        assert "        8  200 OK\n" in output
        assert "        2  closed without an answer\n" in output

    def test_none_in_time(self, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
        receiver.may_answer.clear()
        assert main(["--url", receiver.url, "--count", "3", "--timeout", "0.2"]) == 1
        output = capsys.readouterr().out
        assert "        3  no answer in time\n" in output
        assert "latency" not in output

    def test_nothing_listens(self, capsys: pytest.CaptureFixture[str]) -> None:
        base = f"http://127.0.0.1:{free_port()}"
        assert main(["--url", base, "--count", "1000000"]) == 1
        assert one_line(capsys) == f"send: nothing listens at {base} - start it with `just run`"

    def test_something_else_listens(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        base = receiver.base.replace("http:", "https:")
        assert main(["--url", base, "--connections", "1"]) == 1
        assert one_line(capsys).startswith(f"send: no secure connection to {base}: ")

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (ConnectionResetError(errno.ECONNRESET, "to 127.0.0.1"), "connection reset by peer"),
            (aiohttp.ClientOSError(errno.EPIPE, "to 127.0.0.1"), "broken pipe"),
            (aiohttp.ClientPayloadError("3 of 100 bytes"), "answer cut short"),
            (aiohttp.ServerTimeoutError("after 30 s"), "no answer in time"),
            (aiohttp.ClientError("whatever"), "ClientError"),
            (socket.gaierror(-2, "Name or service not known"), "gaierror"),
        ],
    )
    def test_kinds_of_error_are_few(self, error: Exception, kind: str) -> None:
        assert kind_of(error) == kind

    @pytest.mark.parametrize(
        ("answer", "detail"),
        [
            (b'{"detail":"why"}', "why"),
            (b"{}", ""),
            (b"", ""),
            (b"[" * 100_000, "[" * 1000),
            (b" <html>\xff ", "<html>\ufffd"),
        ],
    )
    def test_any_answer_may_explain(self, answer: bytes, detail: str) -> None:
        assert detail_of(answer) == detail


class TestTally:
    def test_percentiles_are_right_to_a_hundredth(self) -> None:
        latencies = Latencies()
        values = sorted(0.000_050 * 1.001**number for number in range(12_000))  # 50 us to 8 s
        for value in values:
            latencies.record(value)
        for percent in (1, 50, 95, 99, 99.9, 100):
            exact = values[int(len(values) * percent / 100) - 1]
            assert exact <= latencies.percentile_seconds(percent) <= exact * 1.008 + 0.000_001
        assert latencies.percentile_seconds(100) == latencies.max_seconds == values[-1]

    def test_any_latency_can_be_recorded(self) -> None:
        latencies = Latencies()
        for seconds in (-1.0, 0.0, 1e-9, 1e9):
            latencies.record(seconds)
        assert latencies.count == 4
        assert latencies.max_seconds == 1e9

    def test_no_latencies_no_percentile(self) -> None:
        assert Latencies().percentile_seconds(50) == 0

    def test_details_are_bounded_and_printable(self) -> None:
        tally = Tally()
        tally.explained(500, "\x1b[2J" + "x" * 1000)
        tally.explained(500, "a later one")
        assert tally.details[500] == "?[2J" + "x" * 196


class TestProgress:
    def test_on_a_terminal(self, receiver: Receiver) -> None:
        ours, theirs = pty.openpty()
        with started("--url", receiver.url, stderr=theirs) as process:
            os.close(theirs)
            output, _ = process.communicate()
        with FileIO(ours) as terminal:
            shown = terminal.read(65_536)
        assert process.returncode == 0
        assert b"100/100" in shown
        assert b"100/100" not in output
