"""From lines to batches of messages and events: a line is decoded, or rejected and kept."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from service.commands import compression
from service.commands.event_lines import decode_line, is_like_event
from service.commands.import_.lines import Piece, split
from service.commands.import_.rejects import Rejects, RejectsError
from service.commands.import_.sources import STANDARD_INPUT, Content, Shut, Valve
from service.errors import InvalidMessage
from service.messages.event import Event
from service.messages.message import Message, decode_stored_message

BATCH_BYTES_MAX = 4 << 20
"""Bounds the memory of a batch, however long its lines are."""

EVENT_BYTES_MAX = 1 << 20
"""What the line of an event may have beside its body: headers, and ids of messages."""

BATCH_WAIT_SECONDS = 1.0
"""What a pipe brings now and then is stored after this time, even if there is little of it."""

REASONS_MAX = 20
"""So many rejected lines are told one by one; the others are only counted."""


class Batch:
    """Some lines, and what became of each."""

    def __init__(self) -> None:
        self.lines = 0
        """How many were read, blank ones apart."""
        self.messages: list[Message] = []
        self.events: list[Event] = []
        self.rejected: Counter[str] = Counter()
        """By reason; there are as many reasons as the validation has rules."""
        self.complaints: list[str] = []
        """What a person should read."""
        self.files_cut_short = 0
        self.line_bytes = 0
        self.bytes_read = 0
        """Of all files until now, as they are on the disk."""
        self.begun = time.monotonic()


class Reader:
    """Reads files one after another, as batches of `batch_lines` lines, which may change."""

    def __init__(
        self, paths: Sequence[str], body_bytes_max: int, rejects: Rejects, valve: Valve
    ) -> None:
        self.batch_lines = 1
        self.failure: str | None = None
        """Why not all was read, unless somebody shut the valve."""
        self._paths = paths
        self._body_bytes_max = body_bytes_max
        # Base64 takes a third more.
        self._line_bytes_max = body_bytes_max + body_bytes_max // 2 + EVENT_BYTES_MAX
        self._rejects = rejects
        self._valve = valve
        self._batch = Batch()
        self._reasons_told = 0
        self._name, self._number = "", 0

    def batches(self) -> Iterator[Batch]:
        """Yield all the lines; when the valve is shut, or after a failure, those until then."""
        try:
            for path in self._paths:
                yield from self._read(path)
        except Shut:
            pass
        except RejectsError as error:
            self.failure = str(error)
        yield self._take()

    def _read(self, path: str) -> Iterator[Batch]:
        self._name, self._number = "standard input" if path == STANDARD_INPUT else path, 0
        self._rejects.end_line()
        try:
            with Content(path, self._valve) as content:
                yield from self._take_rather_than_wait(content)
                for found in split(content.chunks(), self._line_bytes_max):
                    if isinstance(found, Piece):
                        self._reject_piece(found)
                    else:
                        yield from self._decode(found)
                    yield from self._take_rather_than_wait(content)
        except (OSError, *compression.DAMAGE) as error:
            self._batch.files_cut_short += 1
            self._batch.complaints.append(
                f"{self._name}: cannot be read past line {self._number:,}:"
                f" {compression.describe(error)}"
            )

    def _decode(self, lines: list[bytes]) -> Iterator[Batch]:
        for line in lines:
            self._number += 1
            if not line or line.isspace():
                continue
            try:
                self._add(line)
            except InvalidMessage as error:
                self._rejects.keep(line)
                self._reject(str(error).removeprefix("the body "))
            self._batch.lines += 1
            self._batch.line_bytes += len(line)
            if self._is_full:
                yield self._take()

    def _add(self, line: bytes) -> None:
        """Take the message or the event of a line. Raises InvalidMessage.

        No line can be both: an event has no `message_id`.
        """
        try:
            if len(line) > self._body_bytes_max:
                raise InvalidMessage(self._too_long)
            self._batch.messages.append(decode_stored_message(line))
        except InvalidMessage:
            if not is_like_event(line):
                raise
            event = decode_line(line)
            if len(event.body) > self._body_bytes_max:
                raise InvalidMessage(f"body {self._too_long}") from None
            self._batch.events.append(event)

    def _reject_piece(self, piece: Piece) -> None:
        self._rejects.keep(piece.content, end=b"\n" if piece.is_last else b"")
        if piece.is_last:
            self._number += 1
            self._batch.lines += 1
            self._reject(self._too_long)

    def _reject(self, reason: str) -> None:
        self._batch.rejected[reason] += 1
        self._reasons_told += 1
        if self._reasons_told <= REASONS_MAX:
            self._batch.complaints.append(f"{self._name}:{self._number}: {reason}")
        elif self._reasons_told == REASONS_MAX + 1:
            self._batch.complaints.append("from here on, rejected lines are only counted")

    @property
    def _too_long(self) -> str:
        return f"must be at most {self._body_bytes_max:,} bytes long (MAX_BODY_BYTES)"

    @property
    def _is_full(self) -> bool:
        batch = self._batch
        return batch.line_bytes >= BATCH_BYTES_MAX or batch.lines >= self.batch_lines

    def _take_rather_than_wait(self, content: Content) -> Iterator[Batch]:
        """Yield what there is, where it has waited for long enough and nothing more comes."""
        seconds_left = self._batch.begun + BATCH_WAIT_SECONDS - time.monotonic()
        if self._batch.lines and not content.has_more_within(seconds_left):
            yield self._take()

    def _take(self) -> Batch:
        taken, self._batch = self._batch, Batch()
        taken.bytes_read = self._valve.bytes_read
        return taken
