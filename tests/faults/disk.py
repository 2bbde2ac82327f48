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
from pathlib import Path
from typing import NamedTuple

from tests.faults.contents import File, History, Luck
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
