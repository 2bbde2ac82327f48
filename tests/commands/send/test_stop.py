"""What a signal stops, and what it waits for."""

import signal

import pytest

from service.commands.send.command import main
from tests.commands.send.receiver import Receiver, signalled, started


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
