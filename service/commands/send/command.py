"""`python -m service send`: sign messages and send them to a running service."""

import asyncio
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from io import FileIO

import aiohttp
import yarl

from service.commands.send.arguments import Options, parse
from service.commands.send.deliveries import Delivery, first, paced, signed
from service.commands.send.load import Load
from service.commands.send.messages import lines, made_up, made_up_endlessly
from service.commands.send.report import progress, summary
from service.sources.signature import sign

try:
    from uvloop import new_event_loop
except ImportError:  # not every platform has a wheel of it; without it, sending is slower
    from asyncio import new_event_loop  # type: ignore[assignment]

Sign = Callable[[bytes], str]

CONTENT_TYPE = {"Content-Type": "application/json"}


def main(arguments: list[str]) -> int:
    """Send what the arguments ask for, and return the exit code.

    Raises SystemExit(2) where the arguments make no sense, and SystemExit(0) after --help.
    """
    options = parse(arguments)
    sign_body = partial(sign, options.secret)
    if options.print_curl:
        sys.stdout.buffer.write(curl(options.url, sign_body))
        return 0
    try:
        return _send(options, sign_body)
    except KeyboardInterrupt:  # before there was anything to stop
        return 128 + signal.SIGINT


def curl(url: yarl.URL, sign_body: Sign) -> bytes:
    """A line for the shell that sends one message; the signature is over its UTF-8."""
    body = made_up()
    headers = CONTENT_TYPE | {"X-Signature": sign_body(body)}
    options = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    words = ["curl", "--silent", "--show-error", str(url), *options, "--data-raw", body.decode()]
    return shlex.join(words).encode() + b"\n"


def _send(options: Options, sign_body: Sign) -> int:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_open(options.file)) if options.file else None
        except OSError as error:
            sys.stderr.write(f"send: cannot read {options.file}: {error.strerror}\n")
            return 2
        runner = stack.enter_context(asyncio.Runner(loop_factory=new_event_loop))
        return runner.run(_run(options, _deliveries(options, file, sign_body)))


def _open(path: str) -> FileIO:
    """Unbuffered, so that what a pipe holds is sent before there is more of it."""
    return FileIO(0, closefd=False) if path == "-" else FileIO(path)


def _deliveries(options: Options, file: FileIO | None, sign_body: Sign) -> AsyncIterator[Delivery]:
    bodies = made_up_endlessly() if file is None else lines(file)
    deliveries = first(signed(bodies, sign_body, options.duplicates), options.count)
    return paced(deliveries, options.rate) if options.rate else deliveries


async def _run(options: Options, deliveries: AsyncIterator[Delivery]) -> int:
    async with _session(options) as session:
        load = Load(session, options.url, deliveries, options.connections)
        signals = _stop_on_signals(load)
        begun = time.perf_counter()
        with progress(load.tally, options.count):
            await load.run()
        elapsed_seconds = time.perf_counter() - begun
    if load.failure is None or load.tally.latencies.count:
        sys.stdout.write(summary(load.tally, elapsed_seconds, options.rate))
    if load.failure is not None:
        sys.stderr.write(f"send: {load.failure}\n")
    return _exit_code(load, signals)


def _exit_code(load: Load, signals: list[signal.Signals]) -> int:
    if signals:
        return 128 + signals[0]
    return 0 if load.failure is None and load.tally.all_ok else 1


def _session(options: Options) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=options.connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=CONTENT_TYPE,
        timeout=aiohttp.ClientTimeout(total=options.timeout),
    )


def _stop_on_signals(load: Load) -> list[signal.Signals]:
    """Stop the load at Ctrl-C and SIGTERM; the list gets the signals as they come."""
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        load.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return received
