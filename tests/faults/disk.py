"""What a disk may hold after a power loss.

Only a finished sync makes anything sure: a sync of a file its bytes and length, a sync of a folder
the names in it, if they were written before the sync began. Everything else is luck, in no order:
each sector, length and name is as it was at any time since it was sure. Sectors of 512 bytes are
written whole or not at all, as SQLite expects (sqlite.org/psow.html).

A failed sync is the worst case that was found on real systems (Rebello et al., USENIX ATC 2020):
the kernel forgets that the data was never written, and the next sync succeeds. Only data that is
written again after it can become sure. Names are not forgotten.
"""

import random
from enum import Enum
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from tests.faults.journal import (
    Answer,
    Close,
    MakeFolder,
    Open,
    Operation,
    Rename,
    SyncBegin,
    SyncEnd,
    Truncate,
    Unlink,
    Write,
)

SECTOR = 512
PAGE_SECTORS = 8
"""The kernel writes pages of 4 KiB back, in any order."""

TORN = 0.5
"""The share of sectors that a torn write has put on the disk."""

T = TypeVar("T")


class Luck(Enum):
    """What became of the writes to one file since its last sync."""

    NOTHING = "none of it was written"
    EVERYTHING = "all of it was written"
    IN_ORDER = "all up to some moment, the last write torn"
    PAGES = "each page as at a moment of its own"
    SECTORS = "each sector as at a moment of its own"


class History(Generic[T]):
    """A value that changes, with its last value that is sure to be on the disk."""

    def __init__(self, sure: T) -> None:
        self.sure = sure
        self.later: list[tuple[int, T]] = []

    @property
    def last(self) -> T:
        return self.later[-1][1] if self.later else self.sure

    def become(self, time: int, value: T) -> None:
        self.later.append((time, value))

    def settle(self, until: int, forgotten_until: int = 0) -> None:
        """A sync has succeeded that covers the values before `until`.

        It does not cover a value that a failed sync has forgotten, before `forgotten_until`.
        """
        covered = 0
        while covered < len(self.later) and self.later[covered][0] < until:
            covered += 1
        if covered and self.later[covered - 1][0] >= forgotten_until:
            self.sure = self.later[covered - 1][1]
            del self.later[:covered]

    def at(self, time: int) -> T:
        """The value after the operation `time`."""
        return next((value for when, value in reversed(self.later) if when <= time), self.sure)

    def any(self, chance: random.Random) -> T:
        """The value at any time since it was sure."""
        return chance.choice([self.sure, *(value for _, value in self.later)])


class File:
    """The bytes of a file."""

    def __init__(self, content: bytes = b"") -> None:
        self.length = History(len(content))
        self.sectors = [
            History(content[start : start + SECTOR].ljust(SECTOR, b"\0"))
            for start in range(0, len(content), SECTOR)
        ]
        self._unsure: set[int] = set()
        self._forgotten_until = 0

    def write(self, time: int, offset: int, data: bytes) -> None:
        end = offset + len(data)
        self._reach(end)
        self._put(time, offset, data)
        if end > self.length.last:
            self.length.become(time, end)

    def truncate(self, time: int, length: int) -> None:
        self._reach(length)
        cut = max(0, self.length.last - length)
        self._put(time, length, bytes(cut))
        self.length.become(time, length)

    def settle(self, until: int) -> None:
        """A sync that began at `until` has succeeded."""
        self.length.settle(until, self._forgotten_until)
        for number in list(self._unsure):
            self.sectors[number].settle(until, self._forgotten_until)
            if not self.sectors[number].later:
                self._unsure.remove(number)

    def forget(self, until: int) -> None:
        """A sync that began at `until` has failed."""
        self._forgotten_until = until

    @property
    def content(self) -> bytes:
        """As the process sees it."""
        return b"".join(sector.last for sector in self.sectors)[: self.length.last]

    def after_crash(self, luck: Luck, now: int, chance: random.Random) -> bytes:
        """The bytes that are left."""
        if luck is Luck.EVERYTHING:
            return self.content
        if luck is Luck.NOTHING:
            return b"".join(sector.sure for sector in self.sectors)[: self.length.sure]
        times = sorted({when for number in self._unsure for when, _ in self.sectors[number].later})
        times = times or [now]
        if luck is Luck.IN_ORDER:
            place = chance.randrange(len(times))
            left = self._in_order(times[place], times[place - 1] if place else -1, chance)
            length = self.length.at(times[place])
        else:
            left = self._scattered(PAGE_SECTORS if luck is Luck.PAGES else 1, times, chance)
            length = self.length.any(chance)
        return b"".join(left)[:length].ljust(length, b"\0")

    def _in_order(self, last: int, before: int, chance: random.Random) -> list[bytes]:
        return [sector.at(last if chance.random() < TORN else before) for sector in self.sectors]

    def _scattered(self, together: int, times: list[int], chance: random.Random) -> list[bytes]:
        left: list[bytes] = []
        for start in range(0, len(self.sectors), together):
            time = chance.choice([-1, *times])
            left += [sector.at(time) for sector in self.sectors[start : start + together]]
        return left

    def _put(self, time: int, offset: int, data: bytes) -> None:
        end = offset + len(data)
        for number in range(offset // SECTOR, -(-end // SECTOR)):
            start = number * SECTOR
            sector = self.sectors[number]
            if offset <= start and start + SECTOR <= end:
                value = data[start - offset : start - offset + SECTOR]
            else:
                merged = bytearray(sector.last)
                first, last = max(start, offset), min(start + SECTOR, end)
                merged[first - start : last - start] = data[first - offset : last - offset]
                value = bytes(merged)
            sector.become(time, value)
            self._unsure.add(number)

    def _reach(self, length: int) -> None:
        missing = -(-length // SECTOR) - len(self.sectors)
        self.sectors += [History(bytes(SECTOR)) for _ in range(missing)]


class Folder:
    """The names in a folder."""

    def __init__(self) -> None:
        self.names: dict[str, History[File | Folder | None]] = {}

    def put(self, time: int, name: str, what: "File | Folder | None") -> None:
        self.names.setdefault(name, History(None)).become(time, what)

    def settle(self, until: int) -> None:
        for name in self.names.values():
            name.settle(until)

    def forget(self, until: int) -> None:
        """A file system that can't write its own records stops, and forgets none of them."""


class Crash(NamedTuple):
    """A power loss after `time` operations; a seed and its lucks decide the rest."""

    time: int
    seed: int
    lucks: tuple[Luck, ...]


class Disk:
    """Files and folders as a process sees them, and as they are sure to be on the disk."""

    def __init__(self, before: Path) -> None:
        """`before` is the folder at the start of the process; all of it was on the disk."""
        self._root = _load(before)
        self._time = 0
        self._open: dict[int, File | Folder] = {}
        self._syncs: dict[int, int] = {}

    def apply(self, operation: Operation) -> None:
        """Do the next operation of a journal; raises LookupError if it does not fit."""
        self._time += 1
        match operation:
            case Open(fd, path, is_created, is_truncated):
                self._open[fd] = self._opened(path, is_created, is_truncated)
            case Write(fd, offset, data):
                self._file(fd).write(self._time, offset, data)
            case Truncate(fd, length):
                self._file(fd).truncate(self._time, length)
            case SyncBegin(fd):
                self._syncs[fd] = self._time
            case SyncEnd(fd, error):
                self._end_sync(fd, error)
            case Close(fd):
                del self._open[fd]
            case Unlink(path):
                folder, name = self._place(path)
                folder.put(self._time, name, None)
            case Rename(path, becomes):
                node = self._find(path)
                for place, what in ((path, None), (becomes, node)):
                    folder, name = self._place(place)
                    folder.put(self._time, name, what)
            case MakeFolder(path):
                folder, name = self._place(path)
                folder.put(self._time, name, Folder())
            case Answer():
                pass

    def files(self) -> dict[str, bytes]:
        """Every file by its path, as the process sees it."""
        return dict(_files("", self._root))

    def leave(self, folder: Path, crash: Crash) -> None:
        """Write what is left after a crash into `folder`, which exists and is empty."""
        chance = random.Random(crash.seed)
        _leave(self._root, folder, self._time, crash.lucks, chance)

    def _opened(self, path: str, is_created: bool, is_truncated: bool) -> File | Folder:
        if is_created:
            folder, name = self._place(path)
            folder.put(self._time, name, File())
        node = self._find(path)
        if is_truncated and isinstance(node, File):
            node.truncate(self._time, 0)
        return node

    def _end_sync(self, fd: int, error: int) -> None:
        began = self._syncs.pop(fd)
        if error:
            self._open[fd].forget(began)
        else:
            self._open[fd].settle(began)

    def _file(self, fd: int) -> File:
        node = self._open[fd]
        if not isinstance(node, File):
            raise LookupError(f"{fd} is a folder")
        return node

    def _find(self, path: str) -> File | Folder:
        node: File | Folder | None = self._root
        for name in path.split("/") if path else []:
            if not isinstance(node, Folder) or name not in node.names:
                raise LookupError(f"{path} was never made")
            node = node.names[name].last
        if node is None:
            raise LookupError(f"{path} has been removed")
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        above, _, name = path.rpartition("/")
        folder = self._find(above)
        if not isinstance(folder, Folder):
            raise LookupError(f"{above} is a file")
        return folder, name


def _load(path: Path) -> Folder:
    folder = Folder()
    for entry in path.iterdir():
        if not entry.name.endswith("-shm"):
            node = _load(entry) if entry.is_dir() else File(entry.read_bytes())
            folder.names[entry.name] = History(node)
    return folder


def _files(above: str, folder: Folder) -> "list[tuple[str, bytes]]":
    found: list[tuple[str, bytes]] = []
    for name, history in folder.names.items():
        if isinstance(history.last, Folder):
            found += _files(f"{above}{name}/", history.last)
        elif history.last is not None:
            found.append((above + name, history.last.content))
    return found


def _leave(
    folder: Folder, path: Path, now: int, lucks: tuple[Luck, ...], chance: random.Random
) -> None:
    for name, history in folder.names.items():
        luck = chance.choice(lucks)
        match luck:
            case Luck.NOTHING:
                node = history.sure
            case Luck.EVERYTHING:
                node = history.last
            case _:
                node = history.any(chance)
        if isinstance(node, Folder):
            (path / name).mkdir()
            _leave(node, path / name, now, lucks, chance)
        elif node is not None:
            (path / name).write_bytes(node.after_crash(luck, now, chance))
