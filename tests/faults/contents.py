"""The bytes of a file, and what is left of them after a power loss."""

import random
from enum import Enum
from typing import Generic, TypeVar

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
