"""The service in altered surroundings: after SIGUSR1 its clock is an hour back, and DNS fails."""

import signal
import socket
import sys
import time
from typing import Any

from service.__main__ import main

BACK_SECONDS = 3_600


def alter(*_: object) -> None:
    """Replace the clock and DNS."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() - BACK_SECONDS
    time.time_ns = lambda: now_ns() - BACK_SECONDS * 10**9
    socket.getaddrinfo = _fail


def _fail(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, alter)
    sys.exit(main())
