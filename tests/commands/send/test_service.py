"""The service of this repository, and the command for curl."""

import http.client
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.commands.send.command import main
from tests.commands.send.receiver import SECRET, Receiver, free_port, get


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


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            get(f"http://127.0.0.1:{port}/health/ready")
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"the service ended with exit code {process.returncode}")


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
