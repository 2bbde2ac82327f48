"""A server that checks every signature itself, and what the tests of `send` share."""

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest

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


@contextmanager
def started(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
    ) as process:
        try:
            yield process
        finally:
            process.kill()


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


def get(url: str) -> bytes:
    with urlopen(url) as response:  # noqa: S310 - only http is asked for
        return bytes(response.read())


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
