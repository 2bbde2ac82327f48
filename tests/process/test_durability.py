"""The proof that 200 means stored: the order of the process's own system calls.

Killing a process proves nothing about fsync: what it wrote stays in the page cache. So strace
watches each write to the log of the database, each fsync of it, and each answer.
"""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.processes import ServiceProcess
from tests.support.service import encode, message, signed, wait_until

CALLS = "pwrite64,pwritev,write,writev,sendto,sendmsg,fdatasync,fsync"
LINE = re.compile(r"(?P<thread>\d+) +(?P<resumed><\.\.\. )?(?P<name>\w+)(?P<rest>.*)")


class Call(NamedTuple):
    """A system call: its place among all lines when it began and when it had returned."""

    name: str
    arguments: str
    began: int
    returned: int


def strace_or_skip() -> str:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: the order of the system calls is not proven")
    tried = subprocess.run([strace, "-f", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    return strace


def parse(lines: list[str]) -> list[Call]:
    """The calls that succeeded; one that another thread interrupts takes two lines."""
    calls: list[Call] = []
    begun: dict[tuple[str, str], tuple[str, int]] = {}
    for place, line in enumerate(lines):
        match = LINE.match(line)
        if match is None:
            continue
        key, rest = (match["thread"], match["name"]), match["rest"]
        if match["resumed"]:
            arguments, began = begun.pop(key)
            calls.append(Call(match["name"], arguments, began, place))
        elif rest.endswith("<unfinished ...>"):
            begun[key] = (rest, place)
        else:
            calls.append(Call(match["name"], rest, place, place))
    return calls


def unproven(lines: list[str], message_ids: list[str]) -> list[str]:
    """The ids whose 200 left before a sync that began behind their write had returned."""
    calls = parse(lines)
    writes = [
        call for call in calls if call.name.startswith("pwrite") and "-wal>" in call.arguments
    ]
    syncs = [call for call in calls if "sync" in call.name and "-wal>" in call.arguments]
    answers = [call for call in calls if "HTTP/1.1 200 OK" in call.arguments]

    def is_proven(message_id: str) -> bool:
        write = next(call for call in writes if f'"{message_id}"' in call.arguments)
        answer = next(
            call for call in answers if f"x-request-id: {message_id}\\r" in call.arguments
        )
        return any(write.returned < sync.began and sync.returned < answer.began for sync in syncs)

    return [message_id for message_id in message_ids if not is_proven(message_id)]


WRITE = '1 pwrite64(14</app.db-wal>, "text \\"m-1\\" text", 4096, 32) = 4096'
SYNC = "1 fdatasync(14</app.db-wal>) = 0"
BEGINS, RETURNS = "1 fdatasync(14</app.db-wal> <unfinished ...>", "1 <... fdatasync resumed>) = 0"
ANSWER = '2 write(19<socket:[1]>, "HTTP/1.1 200 OK\\r\\nx-request-id: m-1\\r\\n") = 200'


@pytest.mark.parametrize(
    ("lines", "is_proof"),
    [
        ([WRITE, SYNC, ANSWER], True),
        ([WRITE, BEGINS, RETURNS, ANSWER], True),
        ([WRITE, ANSWER], False),
        ([WRITE, ANSWER, SYNC], False),
        ([SYNC, WRITE, ANSWER], False),
        ([WRITE, BEGINS, ANSWER, RETURNS], False),
        ([BEGINS, WRITE, RETURNS, ANSWER], False),
        ([WRITE, SYNC.replace("-wal", ""), ANSWER], False),
    ],
)
def test_the_proof_can_fail(lines: list[str], is_proof: bool) -> None:
    lines = [line.replace('\\"m-1\\"', '"m-1"') for line in lines]
    assert (unproven(lines, ["m-1"]) == []) == is_proof


def test_every_200_left_after_its_message_was_synced(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    # -D: strace is the process's grandchild, and signals reach the process itself.
    command = [
        strace_or_skip(),
        "-D",
        "-f",
        "-y",
        "-s",
        "9000",
        "-e",
        f"trace={CALLS}",
        "-o",
        trace,
    ]
    message_ids = [f"traced-{number}" for number in range(40)]

    def deliver(message_id: str) -> int:
        body = encode(message(message_id=message_id, text=f'"{message_id}"'))
        headers = signed(body) | {"X-Request-ID": message_id}
        return process.request("POST", "/webhook", content=body, headers=headers).status_code

    with ServiceProcess(tmp_path, {}, prefix=[str(part) for part in command]) as process:
        alone = [deliver(message_id) for message_id in message_ids[:10]]
        with ThreadPoolExecutor(10) as pool:
            at_once = list(pool.map(deliver, message_ids[10:]))
        assert process.stop() == 0
    assert alone + at_once == [200] * 40
    exited = re.compile(rf"^{process.process.pid} +\+\+\+ exited with 0", re.MULTILINE)
    wait_until(lambda: exited.search(trace.read_text(errors="replace")) is not None)
    lines = trace.read_text(errors="replace").replace('\\"', '"').splitlines()
    assert unproven(lines, message_ids) == []
