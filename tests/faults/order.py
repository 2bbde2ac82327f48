"""Finds answers that left before their message was on stable storage."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.journal import (
    MESSAGE_ID,
    Answer,
    Close,
    Open,
    Operation,
    SyncBegin,
    SyncEnd,
    Write,
)

LOG_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
"""Before each page; bytes 4 to 7 are not 0 at the end of a commit (sqlite.org/fileformat2, 4.1)."""
FRAME_BYTES = FRAME_HEADER_BYTES + 4096

_message_id = re.compile(MESSAGE_ID)


def unproven(operations: Sequence[Operation], database: Path) -> list[str]:
    """The messages whose 200 began to leave before a sync that covers their commit had ended.

    A sync covers what was written to the log before it began.
    """
    name = f"{database}-wal"
    is_log: dict[int, bool] = {}
    log = bytearray()
    began: dict[int, int] = {}
    committed: dict[str, int] = {}
    written: set[str] = set()
    synced = -1
    """Everything that was written before this time is on stable storage."""
    found = []
    for time, operation in enumerate(operations):
        match operation:
            case Open(fd, path):
                is_log[fd] = path == name
            case Write(fd, offset, data) if is_log[fd]:
                end = offset + len(data)
                log.extend(bytes(max(0, end - len(log))))
                log[offset:end] = data
                if end > LOG_HEADER_BYTES and (end - LOG_HEADER_BYTES) % FRAME_BYTES == 0:
                    frame = bytes(log[end - FRAME_BYTES : end])
                    written.update(each.decode() for each in _message_id.findall(frame))
                    if any(frame[4:8]):
                        committed |= dict.fromkeys(written - committed.keys(), time)
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


def trusted_after_failure(operations: Sequence[Operation], database: Path) -> list[int]:
    """When a sync of the WAL succeeded on a descriptor after another sync of it had failed.

    After a failure the next success may be a lie: what it stands for has to be written anew, by a
    connection that has opened the file anew.
    """
    log = f"{database}-wal"
    has_failed: dict[int, bool] = {}
    found = []
    for time, operation in enumerate(operations):
        match operation:
            case Open(fd, path):
                has_failed.pop(fd, None)  # of a process that ended without closing it
                if path == log:
                    has_failed[fd] = False
            case Close(fd):
                has_failed.pop(fd, None)
            case SyncEnd(fd, 0) if has_failed.get(fd):
                found.append(time)
            case SyncEnd(fd, error) if fd in has_failed and error:
                has_failed[fd] = True
    return found
