"""Where the processes of one service count: a row of numbers each, which all of them can read.

A row is written by its process alone. A number is 8 bytes that lie together, which the processors
that Python runs on read and write as a whole: no lock is needed.
"""

import mmap
from collections.abc import Sequence
from typing import TypeAlias

ROW_VALUES = 8 * 1024
"""64 KiB: two processes never write to one page. What is not touched takes no memory."""

VALUE_BYTES = 8

Row: TypeAlias = "list[float] | memoryview[float]"


class Scoreboard:
    """Rows of zeros, one for each process. Made before the processes are."""

    def __init__(self, processes: int = 1) -> None:
        self.rows: Sequence[Row]
        if processes == 1:
            self.rows = [[0.0] * ROW_VALUES]  # which Python writes in two thirds of the time
        else:
            shared = mmap.mmap(-1, processes * ROW_VALUES * VALUE_BYTES)
            values = memoryview(shared).cast("d")
            starts = range(0, len(values), ROW_VALUES)
            self.rows = [values[start : start + ROW_VALUES] for start in starts]

    def add_up(self, count: int) -> list[float]:
        """The sums over the rows of the first `count` numbers."""
        return [sum(column) for column in zip(*(row[:count] for row in self.rows), strict=True)]
