"""`python -m service send`, against a server that checks every signature itself."""

import asyncio
import errno
import hashlib
import hmac
import http.client
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import FileIO
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import aiohttp
import pytest

from service.commands.send import deliveries as deliveries_module
from service.commands.send.arguments import parse
from service.commands.send.command import main
from service.commands.send.deliveries import (
    RECENT_BYTES,
    RECENT_DELIVERIES,
    Delivery,
    Recent,
    paced,
    signed,
)
from service.commands.send.load import detail_of, kind_of
from service.commands.send.messages import SENDERS, lines, made_up
from service.commands.send.tally import Latencies, Tally

SECRET = "a secret of the tests"
COMMAND = [sys.executable, "-W", "error", "-m", "service", "send"]


class Receiver(ThreadingHTTPServer):
    """Answers 200 to bodies signed with SECRET and 401 to others, and keeps all bodies."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.url = f"{self.base}/webhook"
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()
        self.refusals: list[tuple[int, bytes]] = []
        """The next answers, instead of 200; status 0 closes the connection without an answer."""
        self.arrived = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def ids(self) -> Counter[str]:
        return Counter(json.loads(body)["message_id"] for body in self.bodies)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=30)


class Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.paths.add(self.path)
        self.server.arrived.release()
        self.server.may_answer.wait()
        status, answer = self._judge(body)
        self.close_connection = status == 0
        if status:
            self._answer(status, answer)

    def _judge(self, body: bytes) -> tuple[int, bytes]:
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        if self.headers["X-Signature"] != expected:
            return 401, b'{"detail":"invalid signature"}'
        if self.headers["Content-Type"] != "application/json":
            return 415, b""
        return self.server.refusals.pop() if self.server.refusals else (200, b'{"status":"ok"}')

    def _answer(self, status: int, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEBHOOK_SECRET_FILE", "READ_TOKEN", "READ_TOKEN_FILE", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()
        thread.join()


class TestMessages:
    def test_are_sent_and_counted(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", receiver.url]) == 0
        output = capsys.readouterr()
        assert len(receiver.ids) == len(receiver.bodies) == 100
        assert receiver.paths == {"/webhook"}
        assert output.out.startswith("sent 100 messages in ")
        assert "      100  200 OK\n" in output.out
        assert re.search(
            r"since each was sent: p50 .* ms  p95 .* ms  p99 .* ms  max .* ms", output.out
        )
        assert output.err == ""

    def test_made_up_ones_are_what_the_contract_wants(self) -> None:
        messages = [json.loads(made_up()) for _ in range(2000)]
        assert len({message["message_id"] for message in messages}) == 2000
        for message in messages:
            assert uuid.UUID(message["message_id"]).version == 4
            assert re.fullmatch(r"\+[1-9]\d{1,14}", message["from"])
            assert re.fullmatch(r"\+[1-9]\d{1,14}", message["to"])
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["ts"])
        assert len(SENDERS) == 1000
        assert len({message["text"] for message in messages}) > 1000
        assert not all(message["text"].isascii() for message in messages)

    @pytest.mark.parametrize(
        ("suffix", "path"),
        [("", "/webhook"), ("/", "/webhook"), ("/webhook", "/webhook"), ("/a/b", "/a/b")],
    )
    def test_a_base_address_gets_the_path(self, receiver: Receiver, suffix: str, path: str) -> None:
        assert main(["--url", receiver.base + suffix, "--count", "1"]) == 0
        assert receiver.paths == {path}


class TestFile:
    LINES = (b'{"message_id": "a", "text":"\xc3\xa9"}', b'  {"message_id":"b"}\r', b"not json \xff")

    def test_lines_are_sent_as_they_are(self, receiver: Receiver, tmp_path: Path) -> None:
        file = tmp_path / "messages.ndjson"
        file.write_bytes(b"\n".join((b"", self.LINES[0], b" \t", *self.LINES[1:])))
        assert main(["--url", receiver.url, "--file", str(file)]) == 0
        assert sorted(receiver.bodies) == sorted(self.LINES)

    def test_count_is_a_limit(self, receiver: Receiver, tmp_path: Path) -> None:
        file = tmp_path / "messages.ndjson"
        file.write_bytes(b"".join(b'{"message_id":"%d"}\n' % number for number in range(50)))
        assert main(["--url", receiver.url, "--file", str(file), "--count", "20"]) == 0
        assert set(receiver.ids) == {str(number) for number in range(20)}

    def test_repeats_come_on_top_of_the_lines(self, receiver: Receiver, tmp_path: Path) -> None:
        file = tmp_path / "messages.ndjson"
        file.write_bytes(b"".join(b'{"message_id":"%d"}\n' % number for number in range(30)))
        assert main(["--url", receiver.url, "--file", str(file), "--duplicates", "50"]) == 0
        assert len(receiver.ids) == 30
        assert len(receiver.bodies) in (59, 60)

    def test_longer_lines_than_a_chunk(self, receiver: Receiver, tmp_path: Path) -> None:
        bodies = [json.dumps({"message_id": str(n), "text": "x" * 300_000}) for n in range(3)]
        file = tmp_path / "messages.ndjson"
        file.write_text("\n".join(bodies))
        assert main(["--url", receiver.url, "--file", str(file)]) == 0
        assert sorted(receiver.bodies) == [body.encode() for body in bodies]

    def test_an_empty_one_is_no_failure(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", receiver.url, "--file", os.devnull]) == 0
        assert capsys.readouterr().out.startswith("sent 0 messages")

    def test_standard_input_is_sent_as_it_arrives(self, receiver: Receiver) -> None:
        with started("--url", receiver.url, "--file", "-") as process:
            assert process.stdin is not None
            for line in (b'{"message_id":"1"}\n', b'{"message_id":"2"}\n'):
                process.stdin.write(line)
                process.stdin.flush()
                receiver.wait_for(1)
            output, errors = process.communicate(b'{"message_id":"3"}')
        assert (process.returncode, errors) == (0, b"")
        assert output.startswith(b"sent 3 messages")
        assert list(receiver.ids) == ["1", "2", "3"]

    @pytest.mark.parametrize("standard_input", ["file", "null"])
    def test_standard_input_that_no_loop_can_wait_for(
        self, receiver: Receiver, tmp_path: Path, standard_input: str
    ) -> None:
        path = tmp_path / "messages.ndjson" if standard_input == "file" else Path(os.devnull)
        if standard_input == "file":
            path.write_bytes(b'{"message_id":"1"}\n')
        with path.open("rb") as file:
            command = [*COMMAND, "--url", receiver.url, "--file", "-"]
            subprocess.run(command, stdin=file, check=True)
        assert len(receiver.bodies) == (standard_input == "file")

    def test_a_pipe_on_the_standard_library_s_loop(self) -> None:
        async def read_all(file: FileIO) -> list[bytes]:
            return [line async for line in lines(file)]

        reading, writing = os.pipe()
        os.write(writing, b"one\n\ntwo")
        os.close(writing)
        with FileIO(reading) as file:
            assert asyncio.run(read_all(file)) == [b"one", b"two"]

    def test_one_that_cannot_be_opened(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--file", str(tmp_path / "none")]) == 2
        assert one_line(capsys).endswith("none: No such file or directory")
        assert main(["--file", str(tmp_path)]) == 2
        assert one_line(capsys).endswith("Is a directory")

    def test_one_that_cannot_be_read_to_its_end(
        self,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        async def broken(_: FileIO) -> AsyncIterator[bytes]:
            yield b'{"message_id":"1"}'
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr("service.commands.send.command.lines", broken)
        assert main(["--url", receiver.url, "--file", os.devnull]) == 1
        output = capsys.readouterr()
        assert output.out.startswith("sent 1 message in")
        assert output.err == "send: cannot read the messages: Input/output error\n"


class TestDuplicates:
    def test_are_repeats_byte_for_byte(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", receiver.url, "--count", "200", "--duplicates", "25"]) == 0
        assert len(receiver.bodies) == 200
        assert len(set(receiver.bodies)) == len(receiver.ids) == 150
        assert "sent 200 messages (50 of them repeats)" in capsys.readouterr().out

    @pytest.mark.parametrize("percent", [0, 0.5, 1, 10, 33.3, 50, 90, 99.5])
    def test_the_share_is_exact_at_every_count(self, percent: float) -> None:
        sent = take(signed(numbers(), lambda body: body.hex(), percent), 1000)
        seen: set[bytes] = set()
        for count, delivery in enumerate(sent, 1):
            assert delivery.repeat == (delivery.body in seen)
            assert delivery.signature == delivery.body.hex()
            seen.add(delivery.body)
            assert count - len(seen) == int(count * percent / 100)

    def test_what_is_remembered_is_bounded(self) -> None:
        recent = Recent()
        for number in range(RECENT_DELIVERIES + 10):
            recent.add(Delivery(b"%d" % number, ""))
        assert {int(recent.repeat().body) < 10 for _ in range(5000)} == {False}
        assert len(recent._deliveries) == RECENT_DELIVERIES

    def test_what_is_remembered_is_bounded_in_bytes(self) -> None:
        recent = Recent()
        for letter in (b"a", b"b", b"c"):
            recent.add(Delivery(letter * (RECENT_BYTES // 2), ""))
        assert {recent.repeat().body[:1] for _ in range(100)} == {b"b", b"c"}
        recent.add(Delivery(b"d" * (RECENT_BYTES + 1), ""))
        assert {recent.repeat().body[:1] for _ in range(100)} == {b"d"}


class FakeTime:
    """A clock that moves only during a sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        # Timers sometimes fire too early.
        self.now += seconds if seconds < 0.01 else seconds * 0.9


class TestRate:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
        clock = FakeTime()
        monkeypatch.setattr(deliveries_module, "time", clock)
        monkeypatch.setattr(deliveries_module, "asyncio", clock)
        return clock

    def test_sends_the_count(self, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--url", receiver.url, "--count", "50", "--rate", "1000"]) == 0
        assert len(receiver.ids) == 50
        output = capsys.readouterr().out
        assert "(1,000 asked for)" in output
        assert "latency since each was due: " in output

    def test_each_has_its_time(self, clock: FakeTime) -> None:
        async def times() -> None:
            number = 0
            async for delivery in paced(endless_deliveries(), 4):
                assert delivery.due_seconds == pytest.approx(100 + number / 4)
                assert clock.now >= 100 + number / 4
                number += 1
                if number == 20:
                    return

        asyncio.run(times())

    def test_a_stall_of_the_service_moves_no_time(self, clock: FakeTime) -> None:
        async def times() -> list[float | None]:
            due = []
            async for delivery in paced(endless_deliveries(), 4):
                due.append(delivery.due_seconds)
                clock.now += 3.0  # all connections are busy
                if len(due) == 5:
                    break
            return due

        assert asyncio.run(times()) == [100, 100.25, 100.5, 100.75, 101]

    def test_a_stall_of_the_input_moves_the_times_after_it(self, clock: FakeTime) -> None:
        async def slow_pipe() -> AsyncIterator[Delivery]:
            for number in range(4):
                clock.now += 10.0 if number == 2 else 0.0
                yield Delivery(b"", "")

        async def times() -> list[float | None]:
            return [delivery.due_seconds async for delivery in paced(slow_pipe(), 4)]

        assert asyncio.run(times()) == pytest.approx([100, 100.25, 110.25, 110.5])


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


class TestStop:
    def test_ctrl_c_prints_the_summary(self, receiver: Receiver) -> None:
        with started("--url", receiver.url, "--count", "0") as process:
            receiver.wait_for(50)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
        assert (process.returncode, errors) == (130, b"")
        assert f"  {len(receiver.bodies)}  200 OK\n" in output.decode().replace(",", "")

    def test_what_is_in_flight_is_answered(self, receiver: Receiver) -> None:
        receiver.may_answer.clear()
        with started("--url", receiver.url, "--connections", "5", "--rate", "1000") as process:
            receiver.wait_for(5)
            process.send_signal(signal.SIGINT)
            receiver.may_answer.set()
            output, _ = process.communicate()
        assert process.returncode == 130
        assert f"        {len(receiver.bodies)}  200 OK\n" in output.decode()

    def test_what_is_not_answered_is_given_up(
        self,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("service.commands.send.load.GRACE_SECONDS", 0.05)
        receiver.may_answer.clear()
        with signalled(receiver, 5, signal.SIGINT):
            assert main(["--url", receiver.url, "--connections", "5"]) == 130
        assert "        5  no answer before the stop\n" in capsys.readouterr().out

    def test_a_second_signal_gives_up_at_once(
        self,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("service.commands.send.load.GRACE_SECONDS", 3600)
        receiver.may_answer.clear()
        # Two different signals, because the system may merge two equal ones.
        with signalled(receiver, 5, signal.SIGINT, signal.SIGTERM):
            assert main(["--url", receiver.url, "--connections", "5"]) in (130, 143)
        assert "        5  no answer before the stop\n" in capsys.readouterr().out

    def test_while_a_pipe_is_silent(self, receiver: Receiver) -> None:
        with started("--url", receiver.url, "--file", "-") as process:
            assert process.stdin is not None
            process.stdin.write(b'{"message_id":"1"}\n')
            process.stdin.flush()
            receiver.wait_for(1)
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 143
            assert process.stdout is not None
            assert process.stdout.read().startswith(b"sent 1 message in")


class TestExtra:
    WITHOUT = (
        "import sys; sys.modules['aiohttp'] = None;"
        "from service.commands.send.command import main; sys.exit(main(sys.argv[1:]))"
    )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", self.WITHOUT, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    def test_without_it_the_command_says_what_to_install(self) -> None:
        done = self.run("--count", "1")
        sentence = "send: the package aiohttp is missing: pip install 'webhook-service[send]'\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)

    def test_without_it_there_is_still_a_curl_command(self) -> None:
        done = self.run("--print-curl")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("curl ")


class TestCurl:
    def test_the_command_works_when_pasted(
        self, receiver: Receiver, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        for _ in range(20):  # several texts, in several scripts
            assert main(["--url", receiver.base, "--print-curl"]) == 0
            sys.stdout.flush()
            command, errors = capfdbinary.readouterr()
            assert (command.count(b"\n"), errors) == (1, b"")
            assert SECRET.encode() not in command
            assert answer_to(command) == b'{"status":"ok"}'
        assert len(receiver.ids) == 20
        assert receiver.paths == {"/webhook"}


def answer_to(command: bytes) -> bytes:
    """The answer to the command, run by a shell and curl if there are both."""
    if shutil.which("curl") and shutil.which("bash"):
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
        return done.stdout
    curl, _silent, _show_error, url, *options = shlex.split(command.decode())
    assert curl == "curl"
    values = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ") for name, value in values if name == "--header")
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", urlsplit(url).path, dict(values)["--data-raw"].encode(), headers)
    with connection.getresponse() as response:
        answer = response.read()
    connection.close()
    return answer


class TestArguments:
    @pytest.mark.parametrize(
        "arguments",
        [
            "--url 127.0.0.1:8000",
            "--url ftp://host/",
            "--url http://host:70000",
            "--url http://host:0",
            "--url http://a..b",
            "--url http://[::1",
            "--url http://",
            "--count -1",
            "--count 1.5",
            "--rate -1",
            "--rate nan",
            "--rate inf",
            "--rate 1e-300",
            "--connections 0",
            "--connections 10001",
            "--duplicates -1",
            "--duplicates 100",
            "--timeout 0",
            "--timeout 1e300",
            "--file x --print-curl",
            "--cou 1",
            "more",
        ],
    )
    def test_senseless_ones(self, arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments.split())
        assert stop.value.code == 2
        assert one_line(capsys).startswith("send: ")

    def test_no_secret(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("WEBHOOK_SECRET")
        with pytest.raises(SystemExit) as stop:
            main([])
        assert stop.value.code == 2
        assert re.search("WEBHOOK_SECRET, or WEBHOOK_SECRET_FILE$", one_line(capsys))

    def test_a_secret_in_a_file(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text(SECRET + "\n")
        monkeypatch.delenv("WEBHOOK_SECRET")
        monkeypatch.setenv("WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
        monkeypatch.setenv("PORT", "is of no interest to the sender")
        assert main(["--url", receiver.url]) == 0

    def test_the_option_goes_before_the_environment(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEBHOOK_SECRET", "another")
        assert main(["--url", receiver.url, "--secret", SECRET]) == 0

    @pytest.mark.parametrize(
        ("variables", "url"),
        [
            ({}, "http://127.0.0.1:8000/webhook"),
            ({"PORT": "9000"}, "http://127.0.0.1:9000/webhook"),
            ({"PORT": " 9000\n", "HOST": "0.0.0.0"}, "http://127.0.0.1:9000/webhook"),  # noqa: S104
            ({"HOST": "::"}, "http://[::1]:8000/webhook"),
            ({"HOST": "::1"}, "http://[::1]:8000/webhook"),
            ({"HOST": "192.0.2.1"}, "http://192.0.2.1:8000/webhook"),
            ({"HOST": "localhost", "PORT": ""}, "http://localhost:8000/webhook"),
        ],
        ids=str,
    )
    def test_the_address_is_that_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert parse([]).url == url
        assert parse(["--url", "http://example.org"]).url == "http://example.org/webhook"

    @pytest.mark.parametrize(("port", "sentence"), [("0", "PORT is 0"), ("http", "PORT must be")])
    def test_a_port_that_names_no_address(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        port: str,
        sentence: str,
    ) -> None:
        monkeypatch.setenv("PORT", port)
        with pytest.raises(SystemExit) as stop:
            main([])
        assert stop.value.code == 2
        assert one_line(capsys).startswith(f"send: {sentence}")

    def test_a_process_sends_to_the_port_of_its_environment(self, receiver: Receiver) -> None:
        environment = os.environ | {"PORT": str(receiver.server_port)}
        subprocess.run([*COMMAND, "--count", "3"], env=environment, check=True)
        assert len(receiver.ids) == 3

    def test_help_warns_of_ps(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        assert stop.value.code == 0
        assert "`ps`" in capsys.readouterr().out


class TestService:
    """The service of this repository."""

    @pytest.fixture
    def service(self, tmp_path: Path) -> Iterator[str]:
        port = free_port()
        environment = os.environ | {"PORT": str(port), "DATABASE_URL": f"sqlite:///{tmp_path}/db"}
        log = (tmp_path / "log").open("wb")
        command = [sys.executable, "-m", "service"]
        with log, subprocess.Popen(command, env=environment, stdout=log) as process:
            wait_until_ready(port, process)
            yield f"http://127.0.0.1:{port}"
            process.terminate()

    def test_takes_what_is_sent(
        self, service: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert main(["--url", service, "--count", "500", "--duplicates", "20"]) == 0
        assert "      500  200 OK\n" in capsys.readouterr().out
        page = json.loads(get(f"{service}/messages?limit=100"))
        assert page["total"] == 400
        file = tmp_path / "messages.ndjson"
        file.write_text("\n".join(json.dumps(message) for message in page["data"]))
        assert main(["--url", service, "--file", str(file)]) == 0
        assert json.loads(get(f"{service}/stats"))["total_messages"] == 400

    def test_refuses_what_is_signed_with_another_secret(
        self, service: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", service, "--count", "3", "--secret", "another"]) == 1
        assert "        3  401 Unauthorized: invalid signature\n" in capsys.readouterr().out


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


async def numbers() -> AsyncIterator[bytes]:
    for number in range(10_000):
        yield b"%d" % number


async def endless_deliveries() -> AsyncIterator[Delivery]:
    while True:
        yield Delivery(b"", "")


def take(deliveries: AsyncIterator[Delivery], count: int) -> list[Delivery]:
    async def collect() -> list[Delivery]:
        return [await anext(deliveries) for _ in range(count)]

    return asyncio.run(collect())


@contextmanager
def started(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def get(url: str) -> bytes:
    with urlopen(url) as response:  # noqa: S310 - only http is asked for
        return bytes(response.read())


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            get(f"http://127.0.0.1:{port}/health/ready")
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"the service ended with exit code {process.returncode}")


@contextmanager
def signalled(receiver: Receiver, count: int, *signals: signal.Signals) -> Iterator[None]:
    """Send this process the signals when `count` messages have arrived."""

    def send_signals() -> None:
        receiver.wait_for(count)
        for number in signals:
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send_signals)
    thread.start()
    yield
    thread.join()


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error; nothing else may be written."""
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.removesuffix("\n")
