"""The journal: what a process did to the files of one folder, and its answers, in order."""

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

RECORD = struct.Struct("<BBHiiqI")
"""`struct record` of shim.c; the path and the data follow it."""

CREATED, TRUNCATED = 1, 2

FDS = 65_536
"""`FDS` of shim.c: each process has so many descriptors, numbered after the one before."""

MESSAGE_ID = rb"m\d+-[a-z]+-\d{5}"
"""The ids of delivered messages, which are also the ids of their requests."""

_accepted = re.compile(
    rb"HTTP/1\.1 200 OK\r\n.*?\r\nx-request-id: (" + MESSAGE_ID + rb")\r\n", re.DOTALL
)


class Open(NamedTuple):
    """`path` is relative to the folder; "" is the folder itself."""

    fd: int
    path: str
    is_created: bool
    is_truncated: bool


class Write(NamedTuple):
    fd: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    fd: int
    length: int


class SyncBegin(NamedTuple):
    fd: int


class SyncEnd(NamedTuple):
    """`error` is 0, or the errno that the process got."""

    fd: int
    error: int


class Close(NamedTuple):
    fd: int


class Unlink(NamedTuple):
    path: str


class Rename(NamedTuple):
    path: str
    becomes: str


class MakeFolder(NamedTuple):
    path: str


class Answer(NamedTuple):
    """Bytes that were about to be sent to a client, or to standard output (1)."""

    fd: int
    data: bytes

    @property
    def accepted_id(self) -> str | None:
        """The id of the message that this 200 acknowledges, if it is one."""
        match = _accepted.match(self.data)
        return match[1].decode("ascii") if match else None


Operation = (
    Open | Write | Truncate | SyncBegin | SyncEnd | Close | Unlink | Rename | MakeFolder | Answer
)


def read(file: Path) -> list[Operation]:
    """All of a journal; the last record of a killed process may be incomplete."""
    return list(_parse(file.read_bytes()))


def accepted_ids(operations: Iterable[Operation]) -> list[str]:
    """The messages whose 200 has begun to leave, in that order."""
    answers = [operation for operation in operations if isinstance(operation, Answer)]
    return [answer.accepted_id for answer in answers if answer.accepted_id is not None]


def _parse(journal: bytes) -> Iterator[Operation]:
    place = 0
    while place + RECORD.size <= len(journal):
        kind, flags, path_length, fd, result, offset, length = RECORD.unpack_from(journal, place)
        path_place = place + RECORD.size
        data_place = path_place + path_length
        place = data_place + length
        if place > len(journal):
            return
        path = journal[path_place:data_place].decode()
        data = journal[data_place:place]
        yield _operation(kind, flags, fd, result, offset, path, data)


def _operation(
    kind: int, flags: int, fd: int, result: int, offset: int, path: str, data: bytes
) -> Operation:
    match kind:
        case 1:
            return Open(fd, path, bool(flags & CREATED), bool(flags & TRUNCATED))
        case 2:
            return Write(fd, offset, data)
        case 3:
            return Truncate(fd, offset)
        case 4:
            return SyncBegin(fd)
        case 5:
            return SyncEnd(fd, result)
        case 6:
            return Close(fd)
        case 7:
            return Unlink(path)
        case 8:
            return Rename(path, data.decode())
        case 9:
            return MakeFolder(path)
        case 10:
            return Answer(fd, data)
    raise ValueError(f"a journal has no records of kind {kind}")
