"""Ctrl-C and SIGTERM, for commands that end what they are doing first."""

import asyncio
import signal
from collections.abc import Callable


def stop_on_signals(stop: Callable[[], None]) -> list[signal.Signals]:
    """Call `stop` at Ctrl-C and SIGTERM; the list gets the signals as they come.

    A second one ends the process where it stands: the database is made for that.
    """
    received: list[signal.Signals] = []

    def receive(number: signal.Signals) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        received.append(number)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, receive, number)
    return received
