"""What a person sees while the bench runs: bars on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column


class Watch:
    """The progress of a whole bench, a bar for each of its parts."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            # What there is room for: the other columns stay where they are.
            TextColumn("{task.fields[now]}", table_column=Column(ratio=1, no_wrap=True)),
            expand=True,
            console=console,
            disable=not console.is_terminal,
        )
        self._tell = console.print

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    @contextmanager
    def part(self, title: str, steps: int) -> Iterator[Callable[[str], None]]:
        """A part of `steps` steps: call what this gives with a step's name when it begins."""
        self.say(title)
        task = self._bars.add_task(title, total=steps, now="")
        begun = 0

        def begin(name: str) -> None:
            nonlocal begun
            self._bars.update(task, completed=begun, now=name)
            begun += 1

        yield begin
        self._bars.update(task, completed=steps, now="")

    @contextmanager
    def counting(self, title: str, count: int) -> Iterator[Callable[[float], None]]:
        """A work of `count` equal things: call what this gives with how many more are done."""
        self.say(f"{title}: {count:,}")
        task = self._bars.add_task(title, total=count, now="")
        yield lambda more: self._bars.advance(task, more)
        self._bars.remove_task(task)

    def say(self, text: str) -> None:
        """A line, for those who read a log and no bars."""
        self._tell(text)
