"""`python -m service export`: write messages or events to a file or to standard output."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from service.api.messages.walk import Walk
from service.commands.export.arguments import STANDARD_OUTPUT, Options, parse
from service.commands.export.events import EventWalk
from service.commands.export.output import writing
from service.errors import StartError
from service.settings import Settings
from service.store.factory import open_reader
from service.store.interface import EventFilter, Reader, StoreError

VARIABLES = (
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "ALLOW_ASYNC_COMMIT",
    "QUERY_TIMEOUT_SECONDS",
)
"""What is read of the environment; the rest of it is the service's own affair."""


def main(arguments: list[str]) -> int:
    """Export what the arguments ask for, and return the exit code.

    Raises SystemExit: 2 where the arguments make no sense, 0 after --help, 128 and the number of a
    signal that ended it.
    """
    options = parse(arguments)
    try:
        settings = Settings.from_environment({name: os.environ.get(name, "") for name in VARIABLES})
        with _ending_on_signals():
            count = asyncio.run(_export(options, settings))
    except StartError as error:
        return _fail(str(error), error.exit_code)
    except StoreError as error:
        return _fail(f"cut off: the database does not answer: {error}")
    except OSError as error:
        output = "standard output" if options.output == STANDARD_OUTPUT else options.output
        return _fail(f"cannot write {output}: {error.strerror}")
    noun = "event" if isinstance(options.chosen, EventFilter) else "message"
    sys.stderr.write(f"export: {count:,} {noun}{'s' if count != 1 else ''}\n")
    return 0


async def _export(options: Options, settings: Settings) -> int:
    reader = await open_reader(settings)
    try:
        walk = _walk(reader, options)
        with writing(options.output) as write:
            while not walk.is_over:
                write(await walk.next_chunk())
    finally:
        await reader.close()
    return walk.count


def _walk(reader: Reader, options: Options) -> Walk | EventWalk:
    if isinstance(options.chosen, EventFilter):
        return EventWalk(reader, options.chosen)
    return Walk(reader, options.chosen, options.form)


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the command wherever it is, also where it waits for a pipe."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = [signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _fail(sentence: str, code: int = 1) -> int:
    sys.stderr.write(f"export: {sentence}\n")
    return code
