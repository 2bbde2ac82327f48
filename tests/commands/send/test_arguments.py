"""Arguments, variables, and an installation without the extra."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.commands.send.arguments import parse
from service.commands.send.command import main
from tests.commands.send.receiver import COMMAND, SECRET, Receiver, one_line


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
