"""What a person sees: a progress line, a sentence for each problem, and the counts at the end."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from service.commands.import_.batches import Batch
from service.commands.progress import ProgressLine
from service.store.interface import Outcome


class Tally:
    """The counts of one run: the lines that were stored or rejected."""

    def __init__(self) -> None:
        self.lines = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.rejected: Counter[str] = Counter()
        self.files_cut_short = 0
        self.bytes_read = 0

    def add(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self.lines += batch.lines
        self.outcomes.update(outcomes)
        self.rejected.update(batch.rejected)
        self.files_cut_short += batch.files_cut_short
        self.bytes_read = batch.bytes_read

    @property
    def all_stored(self) -> bool:
        return not self.rejected and not self.files_cut_short


class Screen:
    """Standard error: sentences, and on a terminal a progress line."""

    def __init__(self, bytes_total: int | None) -> None:
        self._line = ProgressLine()
        self._bytes_total = bytes_total
        self._begun = time.monotonic()
        self._doing = "importing"
        self._tally = Tally()

    def show(self, tally: Tally) -> None:
        self._tally = tally
        if self._line.is_due:
            self._line.show(self._describe())

    def describe(self, doing: str) -> None:
        """Say in a word what is being done now."""
        self._doing = doing
        self._line.show(self._describe())

    def tell(self, sentence: str) -> None:
        """A sentence for a person to read."""
        self._line.tell(sentence)

    def end(self) -> None:
        self._line.end()

    def _describe(self) -> str:
        lines, bytes_read = self._tally.lines, self._tally.bytes_read
        elapsed_seconds = time.monotonic() - self._begun
        parts = [self._doing, f"{lines:,} lines", f"{lines / elapsed_seconds:,.0f}/s"]
        if self._bytes_total and bytes_read:
            share = min(bytes_read / self._bytes_total, 1)
            left_seconds = round(elapsed_seconds * (1 - share) / share)
            parts += [f"{share:.0%}", f"{timedelta(seconds=left_seconds)} left"]
        return "  ".join(parts)


@contextmanager
def screen(files: Sequence[str]) -> Iterator[Screen]:
    """A screen for as long as the context lasts."""
    shown = Screen(_bytes_of(files))
    try:
        yield shown
    finally:
        shown.end()


def summary(tally: Tally, elapsed_seconds: float) -> str:
    """The counts, as a few lines of text."""
    rejected = tally.rejected.total()
    speed = tally.lines / elapsed_seconds
    lines = [
        f"read {tally.lines:,} lines in {elapsed_seconds:.2f} s: {speed:,.0f} a second",
        _count(tally.outcomes[Outcome.CREATED], "created"),
        _count(tally.outcomes[Outcome.DUPLICATE], "duplicate: stored before, just the same"),
        _count(tally.outcomes[Outcome.CONFLICT], "conflict: stored before, otherwise; that stays"),
        _count(rejected, "rejected"),
    ]
    if rejected:
        lines += [f"  {_count(count, reason)}" for reason, count in tally.rejected.most_common()]
    return "".join(f"{line}\n" for line in lines)


def _count(count: int, what: str) -> str:
    return f"  {count:>11,}  {what}"


def _bytes_of(files: Sequence[str]) -> int | None:
    """The size of all files; None if one of them is a pipe."""
    paths = [Path(file) for file in files]
    return sum(path.stat().st_size for path in paths) if all(map(Path.is_file, paths)) else None
