"""What a person sees during a measurement: bars and lines on standard error."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

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

Item = TypeVar("Item")

TRACK_STEP = 1_000


class Watch:
    """The progress of a whole run, a bar for each of its parts."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            # The last column gets the room that is left: the others stay where they are.
            TextColumn("{task.fields[now]}", table_column=Column(ratio=1, no_wrap=True)),
            expand=True,
            console=console,
            disable=not console.is_terminal,
        )
        self.say = console.print
        """Print a line, for those who read a log and no bars."""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
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

    def track(self, title: str, items: Iterable[Item], count: int) -> Iterator[Item]:
        """The items, with a bar that shows how many of `count` have been taken."""
        self.say(f"{title}: {count:,}")
        task = self._bars.add_task(title, total=count, now="")
        step = TRACK_STEP if count > TRACK_STEP else 1
        for number, item in enumerate(items, start=1):
            yield item
            if number % step == 0:
                self._bars.update(task, completed=number)
        self._bars.remove_task(task)
