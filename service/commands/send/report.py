"""What a person sees: a progress line while it runs, and a summary at the end."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from service.commands.progress import REFRESH_SECONDS, ProgressLine
from service.commands.send.tally import Tally


@contextmanager
def progress(tally: Tally, total: int | None) -> Iterator[None]:
    """Show the progress on standard error, if that is a terminal, while the context lasts."""
    line, begun = ProgressLine(), time.monotonic()

    def show() -> None:
        line.show(_progress(tally, total, time.monotonic() - begun))

    ticker = asyncio.create_task(_repeat(show))
    try:
        yield
    finally:
        ticker.cancel()
        show()
        line.end()


async def _repeat(show: Callable[[], None]) -> None:
    while True:
        show()
        await asyncio.sleep(REFRESH_SECONDS)


def _progress(tally: Tally, total: int | None, elapsed_seconds: float) -> str:
    of_total = "" if total is None else f"/{total:,}"
    speed = tally.sent / elapsed_seconds if elapsed_seconds else 0
    return f"sending  {tally.sent:,}{of_total}  {speed:,.0f}/s  {elapsed_seconds:.0f} s"


def summary(tally: Tally, elapsed_seconds: float, rate: float, noun: str) -> str:
    """The counts and latencies as a few lines of text."""
    lines = [
        _headline(tally, elapsed_seconds, rate, noun),
        *_counts(tally),
        *_latency(tally, rate),
    ]
    return "".join(f"{line}\n" for line in lines)


def _headline(tally: Tally, elapsed_seconds: float, rate: float, noun: str) -> str:
    repeats = f" ({tally.repeats:,} of them repeats)" if tally.repeats else ""
    asked = f" ({rate:,.10g} asked for)" if rate else ""
    speed = tally.latencies.count / elapsed_seconds
    plural = "" if tally.sent == 1 else "s"
    return (
        f"sent {tally.sent:,} {noun}{plural}{repeats} in {elapsed_seconds:.2f} s: "
        f"{speed:,.0f} answers a second{asked}"
    )


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
