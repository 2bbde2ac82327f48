"""One run, from the first request to the exit code."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator

import aiohttp

from service.commands.send.arguments import Options
from service.commands.send.deliveries import Delivery
from service.commands.send.load import Load
from service.commands.send.report import progress, summary


async def run(options: Options, deliveries: AsyncIterator[Delivery]) -> int:
    """Send all deliveries, print the summary, and return the exit code."""
    async with _session(options) as session:
        sign = options.target.sign
        load = Load(session, options.url, deliveries, sign, options.connections)
        signals = _stop_on_signals(load)
        begun = time.perf_counter()
        with progress(load.tally, options.count):
            await load.run()
        elapsed_seconds = time.perf_counter() - begun
    if load.failure is None or load.tally.latencies.count:
        sys.stdout.write(summary(load.tally, elapsed_seconds, options.rate, options.target.noun))
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
        timeout=aiohttp.ClientTimeout(total=options.timeout),
    )


def _stop_on_signals(load: Load) -> list[signal.Signals]:
    """Stop the load at SIGINT and SIGTERM; the list gets the signals as they come."""
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        load.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return received
