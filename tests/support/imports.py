"""Helpers for the tests of `python -m service import`."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from service.commands import compression
from service.commands.import_.command import main
from service.messages.instants import format_instant
from service.store.interface import Filter, Row
from service.store.sqlite.connection import driver
from tests.support.kinds import store_of
from tests.support.service import ROOT, Json, encode, message

COMMAND = [sys.executable, "-W", "error", "-m", "service", "import"]


def messages(count: int, begin: int = 0) -> list[Json]:
    """`count` different messages, in the order of GET /messages."""
    return [
        message(message_id=f"m-{number:06}", ts=format_instant(number), text=f"Nummer {number} é")
        for number in range(begin, begin + count)
    ]


def ndjson(contents: Iterable[Json | bytes]) -> bytes:
    return b"".join(encode(content) + b"\n" for content in contents)


def written(path: Path, contents: Iterable[Json | bytes]) -> str:
    """Write a file, compressed as its suffix says, and return its path."""
    with path.open("wb") as raw:
        file = compression.writing(raw, path.name)
        file.write(ndjson(contents))
        if file is not raw:
            file.close()
    return str(path)


def stored(database: Path) -> list[Json]:
    """All messages of a SQLite file, as GET /messages shows them."""
    return stored_in(f"sqlite:///{database}")


def stored_in(url: str) -> list[Json]:
    """All messages of a database, as GET /messages shows them."""

    async def read() -> list[Row]:
        store = store_of(url)
        await store.open()
        try:
            return await store.page(Filter(), None, 0, 1_000_000)
        finally:
            await store.close()

    return [
        message(
            message_id=row.message_id,
            ts=format_instant(row.ts),
            text=row.text,
            **{"from": row.from_msisdn, "to": row.to_msisdn},
        )
        for row in asyncio.run(read())
    ]


def counts(output: str) -> dict[str, int]:
    """The figures of the summary, by the word after each."""
    found = re.findall(r"^  +([\d,]+)  (\w+)", output, re.MULTILINE)
    read = re.match(r"read ([\d,]+) lines in [\d.]+ s: [\d,]+ a second\n", output)
    assert read is not None, output
    return {word: int(count.replace(",", "")) for count, word in [(read[1], "read"), *found]}


def imported(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, int]]:
    """The exit code and the counts of an import that writes no complaint."""
    code = main([*arguments])
    output = capsys.readouterr()
    assert output.err == ""
    return code, counts(output.out)


@contextmanager
def started(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process with pipes."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=stderr
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def given_to(process: subprocess.Popen[bytes], content: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(content)
    process.stdin.flush()


def is_begun(database: Path) -> bool:
    """Whether messages are stored: the WAL is then longer than the schema alone."""
    log = database.with_name(database.name + "-wal")
    return log.exists() and log.stat().st_size > 1_000_000


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Holds the write lock of the database."""
    with closing(driver.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


@contextmanager
def delivering(service: Any, senders: int) -> Iterator[list[tuple[str, int]]]:
    """Senders deliver webhooks one after another. The list gets their ids and statuses."""
    answers: list[tuple[str, int]] = []
    is_over = threading.Event()

    def deliver(sender: int) -> None:
        number = 0
        while not is_over.is_set():
            name = f"webhook-{sender}-{number}"
            answers.append((name, service.deliver(message(message_id=name)).status_code))
            number += 1

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def read_all(terminal: FileIO) -> bytes:
    """The output on a terminal whose other side is closed. Linux ends the read with an error."""
    shown = b""
    try:
        while chunk := terminal.read(65_536):
            shown += chunk
    except OSError:
        pass
    return shown


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Standard error, which must be one line, while standard output is empty."""
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.removesuffix("\n")
