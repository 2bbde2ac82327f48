"""Signals as a process waits for them that does nothing else: one by one, out of a pipe."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Signals:
    """Takes the signals of `NUMBERS` in, from its making on."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in NUMBERS:
            signal.signal(number, _do_nothing)

    def wait(self, seconds: float) -> bytes:
        """The numbers of those that have come, as soon as there are any, or none in that time."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        return os.read(self._reader, 1_000) if poll.poll(seconds * 1000) else b""

    @contextmanager
    def held(self) -> Iterator[None]:
        """While it lasts, they wait: a process forked here gets none that is meant for this one."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def forget(self) -> None:
        """In a process forked while they were held: have them do what they do by themselves."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """A signal without a handler would not wake anybody."""
