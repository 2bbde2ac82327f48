"""A descriptor that blocks of lines are written to, by one process or by several in turn.

A pipe takes what is longer than PIPE_BUF in pieces, and between two pieces of one process those of
another: where there are several, each writes under a lock.
"""

import fcntl
import os
import select
import tempfile

BEGUN, DONE = b"1", b"0"


class Output:
    """Writes blocks of lines, where nobody else does."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, block: bytes) -> None:
        """Write a block, however long it takes; raises OSError where nobody will ever read it."""
        rest = memoryview(block)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


class SharedOutput(Output):
    """Writes blocks, each as a whole, where other processes do so, too.

    `lock` is of `create_lock`. Its lock belongs to a process, not to a thread, and ends with it.
    """

    def __init__(self, descriptor: int, lock: int) -> None:
        super().__init__(descriptor)
        self._lock = lock

    def write(self, block: bytes) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            self._write_locked(block)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def offer(self, block: bytes) -> bool:
        """Write at most PIPE_BUF bytes, unless that would have to wait; whether they are written.

        Raises OSError as `write` does.
        """
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            if not poll.poll(0):
                return False
            self._write_locked(block)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
        return True

    def _write_locked(self, block: bytes) -> None:
        if os.pread(self._lock, 1, 0) == BEGUN:
            # Whoever wrote before was killed, most likely in the middle of a line.
            block = b"\n" + block
        os.pwrite(self._lock, BEGUN, 0)
        try:
            super().write(block)
        finally:
            os.pwrite(self._lock, DONE, 0)


def create_lock() -> int:
    """A descriptor of a file without a name, to be made before the processes that write."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("log-lock")  # a container may have no folder that can be written
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
