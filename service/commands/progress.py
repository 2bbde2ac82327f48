"""One line on a terminal that says how far a command has come."""

import os
import sys
import time

REFRESH_SECONDS = 0.2
CLEAR_LINE = "\r\x1b[K"
COLUMNS_DEFAULT = 80


class ProgressLine:
    """A line at the bottom of standard error, rewritten in place.

    Where standard error is no terminal, the line is not shown.
    """

    def __init__(self) -> None:
        self._has_terminal = sys.stderr.isatty()
        self._line = ""
        self._next_seconds = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the line is shown, and old enough to be rewritten."""
        return self._has_terminal and time.monotonic() >= self._next_seconds

    def show(self, line: str) -> None:
        """Put `line` in the place of the last one."""
        if self._has_terminal:
            # A line that wraps cannot be rewritten in place.
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS_DEFAULT
            self._line = line[: columns - 1]
            self._next_seconds = time.monotonic() + REFRESH_SECONDS
            self._write(CLEAR_LINE + self._line)

    def tell(self, sentence: str) -> None:
        """Write a sentence that stays, above the line."""
        cleared, restored = (CLEAR_LINE, self._line) if self._has_terminal else ("", "")
        self._write(f"{cleared}{sentence}\n{restored}")

    def end(self) -> None:
        """Leave the last line where it is; what is written next begins below it."""
        if self._line:
            self._write("\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
