"""Messages from a file or from standard input."""

import asyncio
import errno
import json
import os
import subprocess
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path

import pytest

from service.commands.send.command import main
from service.commands.send.messages import lines
from tests.commands.send.receiver import (
    COMMAND,
    Receiver,
    one_line,
    started,
)


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
