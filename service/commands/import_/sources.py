"""Where lines come from: files and standard input, compressed or not, read in chunks."""

import codecs
import os
import select
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from io import BufferedReader, RawIOBase
from typing import Self

from service.commands import compression

STANDARD_INPUT = "-"
CHUNK_BYTES = 1 << 18

# A named pipe that nobody writes to yet: Linux waits for the writer when it is read, so that a stop
# can end the wait. Other systems would take it for empty, and wait when it is opened instead.
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if sys.platform == "linux" else 0)


class Shut(Exception):
    """Nothing more is to be read."""


class Valve:
    """What all files of a run are read through: it counts the bytes, and can be shut.

    Shutting it ends a read at once, also one that waits for a pipe in another thread.
    """

    def __init__(self) -> None:
        self.bytes_read = 0
        """As they are on the disk, before decompression."""
        self.is_shut = False
        self._waiting_end, self._shutting_end = os.pipe()

    def shut(self) -> None:
        """May be called more than once."""
        if not self.is_shut:
            self.is_shut = True
            os.write(self._shutting_end, b"\0")

    def close(self) -> None:
        self.is_shut = True
        os.close(self._waiting_end)
        os.close(self._shutting_end)

    def wait(self, descriptor: int, seconds: float | None = None) -> bool:
        """Wait until a read would not block; False where it still would after `seconds`.

        Raises Shut.
        """
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._waiting_end, select.POLLIN)
        ready = poll.poll(None if seconds is None else max(0, seconds * 1000))
        if self.is_shut:
            raise Shut
        return bool(ready)


class Source(RawIOBase):
    """One file as it is on the disk, or standard input. Reading raises Shut."""

    def __init__(self, path: str, valve: Valve) -> None:
        self._is_ours = path != STANDARD_INPUT
        self._descriptor = os.open(path, OPEN_FLAGS) if self._is_ours else 0
        self._valve = valve
        self.is_empty = True
        """Until now."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what callers give
        self.wait()
        count = os.readv(self._descriptor, [buffer])
        self._valve.bytes_read += count
        self.is_empty = self.is_empty and not count
        return count

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until there is something to be read, or the end; see `Valve.wait`."""
        return self._valve.wait(self._descriptor, seconds)

    def close(self) -> None:
        if self._is_ours and not self.closed:
            os.close(self._descriptor)
        super().close()


class Content:
    """What a file or standard input holds, decompressed. A context manager."""

    def __init__(self, path: str, valve: Valve) -> None:
        """Raises OSError where the file can't be opened."""
        self._source = Source(path, valve)
        with ExitStack() as stack:
            stack.enter_context(closing(self._source))
            self._raw = stack.enter_context(BufferedReader(self._source, CHUNK_BYTES))
            self._file = stack.enter_context(compression.reading(self._raw, path))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def chunks(self) -> Iterator[bytes]:
        """Yield the content without the byte order mark that it may begin with, in chunks.

        A chunk has at most CHUNK_BYTES. After the content before the trouble, this raises OSError,
        one of compression.DAMAGE, or Shut.
        """
        head = b""
        while (chunk := self._file.read1(CHUNK_BYTES)) and codecs.BOM_UTF8.startswith(head + chunk):
            head += chunk
        yield (head + chunk).removeprefix(codecs.BOM_UTF8)
        while chunk := self._file.read1(CHUNK_BYTES):
            yield chunk
        if self._file is not self._raw and self._source.is_empty:
            raise EOFError  # of nothing, gzip and Zstandard make more than nothing

    def has_more_within(self, seconds: float) -> bool:
        """Whether the next chunk, or the end, comes in this time, as far as can be told."""
        return self._source.wait(seconds)
