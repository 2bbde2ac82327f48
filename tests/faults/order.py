"""Which answers left before what they promise was on stable storage?"""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.journal import Answer, Open, Operation, SyncBegin, SyncEnd, Write

FRAME_HEADER_BYTES = 24
"""Before each page in the log; bytes 4 to 7 are not 0 in that of a commit (sqlite.org/fileformat2,
section 4.1)."""

_id_of_a_message = re.compile(rb"m\d+-[a-z]+-\d{5}")


def unproven(operations: Sequence[Operation], database: Path) -> list[str]:
    """The messages whose 200 began to leave before a sync that covers their commit had ended.

    A sync covers what was written to the log before it began.
    """
    log = f"{database}-wal"
    is_log: dict[int, bool] = {}
    began: dict[int, int] = {}
    committed: dict[str, int] = {}
    written: set[str] = set()
    is_commit = False
    synced = -1
    """Everything that was written before this time is on stable storage."""
    found = []
    for time, operation in enumerate(operations):
        match operation:
            case Open(fd, path):
                is_log[fd] = path == log
            case Write(fd, _, data) if is_log[fd] and len(data) == FRAME_HEADER_BYTES:
                is_commit = any(data[4:8])
            case Write(fd, _, data) if is_log[fd]:
                written.update(each.decode() for each in _id_of_a_message.findall(data))
                if is_commit:
                    for message_id in written - committed.keys():
                        committed[message_id] = time
                    written.clear()
            case SyncBegin(fd):
                began[fd] = time
            case SyncEnd(fd, 0) if is_log[fd]:
                synced = max(synced, began[fd])
            case Answer():
                message_id = operation.accepted_id
                if message_id and not committed.get(message_id, len(operations)) < synced:
                    found.append(message_id)
    return found
