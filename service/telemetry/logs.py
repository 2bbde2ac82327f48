"""One JSON object a line on standard output, written by a thread, so that the loop never waits.

Lines wait in a bounded buffer. When the reader of standard output stops reading, the service loses
lines and delays no answer. A full buffer drops and counts INFO and DEBUG lines first. WARNING and
ERROR lines have a reserve.
"""

import contextlib
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from service.telemetry.output import write_whole

LINES_MAX = 20_000
URGENT_LINES_RESERVE = 5_000
GATHER_SECONDS = 0.02
"""How long the thread collects lines, to write many at once."""

CLOSE_SECONDS = 1.0
"""How long `close` waits for a reader that does not read."""

PATH_CHARACTERS_MAX = 1024

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_encode = msgspec.json.Encoder().encode


class RequestLine(msgspec.Struct, gc=False):
    """The line of one request. The middleware creates it, and the routes add to it."""

    ts: str
    level: str
    event: str
    request_id: str
    method: str
    path: str
    client: str
    status: int = 0
    latency_ms: float = 0.0
    trace_id: str | msgspec.UnsetType = msgspec.UNSET
    source: str | msgspec.UnsetType = msgspec.UNSET
    result: str | msgspec.UnsetType = msgspec.UNSET
    event_id: str | msgspec.UnsetType = msgspec.UNSET
    message_id: str | msgspec.UnsetType = msgspec.UNSET
    dup: bool | msgspec.UnsetType = msgspec.UNSET
    conflict: bool | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET
    exception: str | msgspec.UnsetType = msgspec.UNSET


class Log:
    """Writes lines of at least `level` to a file descriptor. `close` writes what is left."""

    def __init__(self, level: str = "INFO", descriptor: int = 1) -> None:
        self._level = _LEVELS[level]
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self.lines_dropped = 0
        self._thread.start()

    def debug(self, event: str, **fields: Any) -> None:
        self._event("DEBUG", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._event("INFO", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._event("WARNING", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._event("ERROR", event, fields)

    def request(self, line: RequestLine) -> None:
        """Write the line of one request, at its own level."""
        level = _LEVELS[line.level]
        if level >= self._level:
            self._put(level, _encode(line))

    def close(self) -> bool:
        """Write the waiting lines. Gives whether all of them were written in CLOSE_SECONDS."""
        dropped = self.lines_dropped
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive() and self.lines_dropped == dropped

    def _event(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _LEVELS[level] >= self._level:
            line = {"ts": now_rfc3339(), "level": level, "event": event, **fields}
            self._put(_LEVELS[level], _encode(line))

    def _put(self, level: int, line: bytes) -> None:
        most = LINES_MAX if level < _LEVELS["WARNING"] else LINES_MAX + URGENT_LINES_RESERVE
        if len(self._lines) >= most:
            self.lines_dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait()
            if not self._closing:
                time.sleep(GATHER_SECONDS)
            self._wake.clear()
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        while self._lines:
            count = min(len(self._lines), 1_000)
            lines = [self._lines.popleft() for _ in range(count)]
            try:
                write_whole(self._descriptor, b"\n".join(lines) + b"\n")
            except OSError:
                # The reader has gone (EPIPE). The service goes on, and the metric counts the lines.
                self.lines_dropped += count


class StandardLogging(logging.Handler):
    """Writes the lines of uvicorn and of other libraries to the same log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    @classmethod
    @contextlib.contextmanager
    def installed(cls, log: Log) -> Iterator[None]:
        """Send everything that Python's `logging` gets to `log`, inside the `with` block."""
        root, handler = logging.getLogger(), cls(log)
        before = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(before)

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["exception"] = format_exception(record.exc_info[1])
        level = "ERROR" if record.levelno >= logging.ERROR else record.levelname
        getattr(self._log, level.lower(), self._log.info)("server", **fields)


def format_exception(error: BaseException) -> str:
    """The exception's type and the lines of code it came through.

    The message is left out, because it can quote what a client sent.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return " < ".join([type(error).__name__, *reversed(places)])


class Clock:
    """Formats instants as RFC 3339 in UTC with milliseconds, and caches the current second."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def format(self, seconds: float) -> str:
        """Format `seconds` since 1970, as `time.time` returns them."""
        second = int(seconds)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._prefix}.{int((seconds - second) * 1000):03d}Z"


def now_rfc3339() -> str:
    return Clock().format(time.time())
