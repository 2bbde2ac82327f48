"""What a person sees: a bar while it runs, a line for what went wrong, counts at the end."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from service.commands.import_.batches import Batch
from service.store.interface import Outcome


class Tally:
    """The counts of one run: of what is stored or rejected, and of nothing else."""

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


class Speed(ProgressColumn):
    """Messages a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        bytes_a_line = task.completed / (task.fields["lines"] or 1) or 1
        return Text(f"{(task.speed or 0) / bytes_a_line:,.0f}/s")


class Share(ProgressColumn):
    """How much of the files has been read; nothing where nobody knows how much there is."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:.0f}%")


class TimeLeft(TimeRemainingColumn):
    """As long as it takes to read the rest; nothing where nobody knows how much there is."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else super().render(task).append(" left")


class Screen:
    """Standard error: a bar, where it is a terminal, and lines above it."""

    def __init__(self, bar: Progress, bytes_total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task("importing", total=bytes_total, lines=0)

    def show(self, tally: Tally) -> None:
        self._bar.update(self._task, completed=tally.bytes_read, lines=tally.lines)

    def describe(self, doing: str) -> None:
        """Say in a word what is being done now."""
        self._bar.update(self._task, description=doing)

    def tell(self, line: str) -> None:
        """A line for a person to read."""
        self._bar.console.print(Text(line), soft_wrap=True)


@contextmanager
def screen(files: Sequence[str]) -> Iterator[Screen]:
    """A screen for as long as the context lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        Share(),
        TextColumn("{task.fields[lines]:,} messages"),
        Speed(),
        TimeLeft(),
    )
    has_bar = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=not has_bar) as bar:
        yield Screen(bar, _bytes_of(files))


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
    """The size of all files; None where one of them is a pipe."""
    paths = [Path(file) for file in files]
    return sum(path.stat().st_size for path in paths) if all(map(Path.is_file, paths)) else None
