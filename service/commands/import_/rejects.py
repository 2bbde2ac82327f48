"""Keeps the lines that were rejected, as they were."""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


class RejectsError(Exception):
    """The rejected lines can't be kept; the text is the sentence that says why."""


class Rejects:
    """The file of `--rejects`; where there is none, nothing is kept. Both raise RejectsError."""

    def __init__(self, path: Path | None) -> None:
        """Empties the file."""
        self._path = path
        self._file: BinaryIO | None = None
        self._is_in_line = False
        try:
            if path is not None:
                self._file = path.open("wb")
        except (OSError, ValueError) as error:
            raise self._failed(error) from error

    def keep(self, part: bytes, end: bytes = b"\n") -> None:
        """Keep a line, or with an empty `end` a part of it."""
        if self._file is not None:
            self._is_in_line = not end
            try:
                self._file.write(part + end)
                self._file.flush()
            except OSError as error:
                self.close()
                raise self._failed(error) from error

    def end_line(self) -> None:
        """Let what is kept next begin a line, also where the rest of the last one never came."""
        if self._is_in_line:
            self.keep(b"")

    def close(self) -> None:
        """What was kept has been written, or `keep` has told."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _failed(self, error: OSError | ValueError) -> RejectsError:
        reason = getattr(error, "strerror", None) or error
        return RejectsError(f"cannot write {self._path}: {reason}")
