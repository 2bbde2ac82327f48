"""What a person sees: a bar while it runs, a summary when it has ended."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from service.commands.send.tally import Tally

REFRESH_SECONDS = 0.2


class Speed(ProgressColumn):
    """Deliveries a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def progress(tally: Tally, total: int | None) -> Iterator[None]:
    """Show a bar on standard error, when that is a terminal, as long as the context lasts."""
    if not sys.stderr.isatty():
        yield
        return
    columns = (
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TimeElapsedColumn(),
    )
    # Refreshed by the loop and not by rich's thread, which would take its turns while we measure.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task("", total=total)
        ticker = asyncio.create_task(_tick(bar, task, tally))
        try:
            yield
        finally:
            ticker.cancel()
            bar.update(task, completed=tally.sent, refresh=True)


async def _tick(bar: Progress, task: TaskID, tally: Tally) -> None:
    while True:
        bar.update(task, completed=tally.sent, refresh=True)
        await asyncio.sleep(REFRESH_SECONDS)


def summary(tally: Tally, elapsed_seconds: float, rate: float) -> str:
    """The counts and latencies as a few lines of text."""
    lines = [_headline(tally, elapsed_seconds, rate), *_counts(tally), *_latency(tally, rate)]
    return "".join(f"{line}\n" for line in lines)


def _headline(tally: Tally, elapsed_seconds: float, rate: float) -> str:
    repeats = f" ({tally.repeats:,} of them repeats)" if tally.repeats else ""
    asked = f" ({rate:,.10g} asked for)" if rate else ""
    speed = tally.latencies.count / elapsed_seconds
    return (
        f"sent {_messages(tally.sent)}{repeats} in {elapsed_seconds:.2f} s: "
        f"{speed:,.0f} answers a second{asked}"
    )


def _messages(count: int) -> str:
    return f"{count:,} message" + ("s" if count != 1 else "")


def _counts(tally: Tally) -> Iterator[str]:
    for status, count in sorted(tally.statuses.items()):
        detail = tally.details.get(status)
        yield f"  {count:>9,}  {status} {_phrase(status)}" + (f": {detail}" if detail else "")
    for kind, count in tally.errors.most_common():
        yield f"  {count:>9,}  {kind}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _latency(tally: Tally, rate: float) -> Iterator[str]:
    if not tally.latencies.count:
        return
    figures = "  ".join(
        f"p{percent} {_milliseconds(tally.latencies.percentile_seconds(percent))}"
        for percent in (50, 95, 99)
    )
    figures += f"  max {_milliseconds(tally.latencies.max_seconds)}"
    yield f"latency since each was {'due' if rate else 'sent'}: {figures}"


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"
