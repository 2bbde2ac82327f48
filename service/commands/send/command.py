"""`python -m service send`: sign messages or events and send them to a running service."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from io import FileIO

from service.commands.send.arguments import Options, parse
from service.commands.send.deliveries import Delivery, first, paced, repeated
from service.commands.send.messages import lines

try:
    from uvloop import new_event_loop
except ImportError:  # some platforms have no wheel of it; sending is slower there
    from asyncio import new_event_loop  # type: ignore[assignment]


def main(arguments: list[str]) -> int:
    """Send what the arguments ask for, and return the exit code.

    Raises SystemExit(2) for arguments that make no sense, and SystemExit(0) after --help.
    """
    options = parse(arguments)
    if options.print_curl:
        return _print_curl(options)
    try:
        return _send(options)
    except KeyboardInterrupt:  # before the run handles signals
        return 128 + signal.SIGINT


def _print_curl(options: Options) -> int:
    delivery = options.target.make(options.body)
    if b"\0" in delivery.body:
        return _fail("--print-curl can't print this body: a command line can't hold its NUL bytes")
    headers = options.target.sign(delivery)
    words = ["curl", "--silent", "--show-error", options.url]
    words += [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    words += ["--data-raw", os.fsdecode(delivery.body)]
    sys.stdout.buffer.write(os.fsencode(shlex.join(words)) + b"\n")
    return 0


def _send(options: Options) -> int:
    try:
        # The HTTP client is an extra: a server does not need it, and neither does --print-curl.
        from service.commands.send.run import run
    except ModuleNotFoundError as error:
        return _fail(f"the package {error.name} is missing: pip install 'webhook-service[send]'")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_open(options.file)) if options.file else None
        except OSError as error:
            return _fail(f"cannot read {options.file}: {error.strerror}")
        runner = stack.enter_context(asyncio.Runner(loop_factory=new_event_loop))
        return runner.run(run(options, _deliveries(options, file)))


def _open(path: str) -> FileIO:
    """Unbuffered: the lines that a pipe holds are sent before more of them arrive."""
    return FileIO(0, closefd=False) if path == "-" else FileIO(path)


async def _made(options: Options, file: FileIO | None) -> AsyncIterator[Delivery]:
    """New deliveries: without end, or one for each line of the file."""
    if file is None:
        while True:
            yield options.target.make(options.body)
    async for line in lines(file):
        yield options.target.make(line)


def _deliveries(options: Options, file: FileIO | None) -> AsyncIterator[Delivery]:
    deliveries = first(repeated(_made(options, file), options.duplicates), options.count)
    return paced(deliveries, options.rate) if options.rate else deliveries


def _fail(sentence: str) -> int:
    sys.stderr.write(f"send: {sentence}\n")
    return 2
