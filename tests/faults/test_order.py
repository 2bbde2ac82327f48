"""No byte of a 200 leaves before the sync that covers its message has ended.

The test with strace (tests/process/test_durability.py) watches the kernel's side of some
deliveries, and would see what goes past the C library; this one needs no strace and watches a load.
"""

from pathlib import Path

import pytest

from tests.faults.journal import Answer, Close, Open, Operation, SyncBegin, SyncEnd, Write
from tests.faults.order import trusted_after_failure, unproven
from tests.faults.recording import Studio
from tests.faults.scenarios import load

DATABASE = Path("app.db")
ID = "m0-load-00001"

OPENED = [
    Open(3, "app.db-wal", is_created=True, is_truncated=False),
    Open(4, "app.db", False, False),
]
HEAD = Write(3, 32, b"\0\0\0\2" + b"\0\0\0\2" + bytes(16))
HEAD_WITHOUT_COMMIT = Write(3, 32, b"\0\0\0\2" + bytes(20))
PAGE = Write(3, 56, ID.encode().rjust(4096))
HALVES = [Write(3, 56, PAGE.data[:4090]), Write(3, 4146, PAGE.data[4090:])]
BEGIN, END, FAILED = SyncBegin(3), SyncEnd(3, 0), SyncEnd(3, 5)
OTHER_BEGIN, OTHER_END = SyncBegin(4), SyncEnd(4, 0)
ANSWER = Answer(9, b"HTTP/1.1 200 OK\r\ndate: now\r\nx-request-id: " + ID.encode() + b"\r\n\r\n")
REFUSAL = Answer(9, ANSWER.data.replace(b"200 OK", b"503 Service Unavailable"))


@pytest.mark.parametrize(
    ("operations", "is_proof"),
    [
        ([HEAD, PAGE, BEGIN, END, ANSWER], True),
        ([HEAD, PAGE, BEGIN, END, ANSWER, HEAD, PAGE, ANSWER], True),
        ([HEAD, PAGE, REFUSAL], True),
        ([ANSWER], False),
        ([HEAD, PAGE, ANSWER], False),
        ([HEAD, PAGE, ANSWER, BEGIN, END], False),
        ([BEGIN, END, HEAD, PAGE, ANSWER], False),
        ([HEAD, PAGE, BEGIN, ANSWER, END], False),
        ([BEGIN, HEAD, PAGE, END, ANSWER], False),
        ([HEAD, PAGE, BEGIN, FAILED, ANSWER], False),
        ([HEAD, PAGE, OTHER_BEGIN, OTHER_END, ANSWER], False),
        ([HEAD, *HALVES, BEGIN, END, ANSWER], True),
        ([HEAD, HALVES[0], BEGIN, HALVES[1], END, ANSWER], False),
        ([HEAD_WITHOUT_COMMIT, PAGE, BEGIN, END, ANSWER], False),
        ([HEAD_WITHOUT_COMMIT, PAGE, BEGIN, END, HEAD, PAGE, ANSWER], False),
    ],
)
def test_the_proof_can_fail(operations: list[Operation], is_proof: bool) -> None:
    assert (unproven([*OPENED, *operations], DATABASE) == []) == is_proof


@pytest.mark.parametrize(
    ("operations", "is_trust"),
    [
        ([BEGIN, END, BEGIN, END], False),
        ([BEGIN, FAILED], False),
        ([BEGIN, FAILED, BEGIN, END], True),
        ([BEGIN, FAILED, Close(3), OPENED[0], BEGIN, END], False),
        ([BEGIN, FAILED, OTHER_BEGIN, OTHER_END], False),
    ],
)
def test_trust_behind_a_failure_is_found(operations: list[Operation], is_trust: bool) -> None:
    assert bool(trusted_after_failure([*OPENED, *operations], DATABASE)) == is_trust


def test_every_200_left_after_its_message_was_synced(library: Path, tmp_path: Path) -> None:
    recording = load(Studio(library, tmp_path, 0), count=60)
    accepted = recording.promise(len(recording.operations)).acknowledged
    assert set(accepted) == set(recording.sent)
    assert unproven(recording.operations, recording.database) == []
