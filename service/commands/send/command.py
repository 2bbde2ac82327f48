"""`python -m service send`: sign messages and send them to a running service."""

import asyncio
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from io import FileIO

from service.commands.send.arguments import Options, parse
from service.commands.send.deliveries import Delivery, first, paced, signed
from service.commands.send.messages import lines, made_up, made_up_endlessly
from service.sources.signature import sign

try:
    from uvloop import new_event_loop
except ImportError:  # some platforms have no wheel of it; sending is slower there
    from asyncio import new_event_loop  # type: ignore[assignment]

Sign = Callable[[bytes], str]


def main(arguments: list[str]) -> int:
    """Send what the arguments ask for, and return the exit code.

    Raises SystemExit(2) for arguments that make no sense, and SystemExit(0) after --help.
    """
    options = parse(arguments)
    sign_body = partial(sign, options.secret)
    if options.print_curl:
        sys.stdout.buffer.write(curl(options.url, sign_body))
        return 0
    try:
        return _send(options, sign_body)
    except KeyboardInterrupt:  # before the run handles signals
        return 128 + signal.SIGINT


def curl(url: str, sign_body: Sign) -> bytes:
    """A line for the shell that sends one message; the signature is over its UTF-8."""
    body = made_up()
    headers = {"Content-Type": "application/json", "X-Signature": sign_body(body)}
    options = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    words = ["curl", "--silent", "--show-error", url, *options, "--data-raw", body.decode()]
    return shlex.join(words).encode() + b"\n"


def _send(options: Options, sign_body: Sign) -> int:
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
        return runner.run(run(options, _deliveries(options, file, sign_body)))


def _open(path: str) -> FileIO:
    """Unbuffered: the lines that a pipe holds are sent before more of them arrive."""
    return FileIO(0, closefd=False) if path == "-" else FileIO(path)


def _deliveries(options: Options, file: FileIO | None, sign_body: Sign) -> AsyncIterator[Delivery]:
    bodies = made_up_endlessly() if file is None else lines(file)
    deliveries = first(signed(bodies, sign_body, options.duplicates), options.count)
    return paced(deliveries, options.rate) if options.rate else deliveries


def _fail(sentence: str) -> int:
    sys.stderr.write(f"send: {sentence}\n")
    return 2
