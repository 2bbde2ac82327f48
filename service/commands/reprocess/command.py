"""`python -m service reprocess`: run kept bodies through today's rules."""

import argparse
import asyncio
import os
import signal
import sys
import time
from functools import partial

from service.commands.arguments import Parser
from service.commands.patience import is_locked
from service.commands.reprocess.report import summary
from service.commands.reprocess.rules import Rules
from service.commands.reprocess.run import Run
from service.commands.signals import stop_on_signals
from service.errors import DatabaseError, SettingsError
from service.settings import Settings
from service.source_settings import PREFIX
from service.sources.source import load_sources
from service.store.factory import make_store, open_reader
from service.store.failure import end_process
from service.store.interface import Store, StoreError

DESCRIPTION = "Run kept bodies through today's rules, and store what is a message by now."
EPILOG = """\
A webhook that was signed and broke a rule is kept as an event with a problem. This command reads
these events, oldest first. Where today's rules find no problem any more, it stores the messages.
The event stays: without its problem, and with the ids of its messages. Nothing else is changed.

The rules of the source `webhook` are those of POST /webhook. Those of any other source are its
scheme's, so its variables must be set, as for the service. The database is that of DATABASE_URL or
DATABASE_URL_FILE. The command works beside a running service, and can be interrupted and run again.

exit code: 0 when no problem is left, 1 when some are still refused, 2 for bad arguments, a variable
or a database that can't be used, 130 after Ctrl-C and 143 after SIGTERM, which end after the batch
at hand; a second one ends it at once.
"""

VARIABLES = (
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "ALLOW_ASYNC_COMMIT",
    "QUERY_TIMEOUT_SECONDS",
    "SCHEMES_FOLDER",
)
"""What is read of the environment, beside the sources; the rest is the service's own affair."""

FAILED_EXIT_CODE = 2


class Options(argparse.Namespace):
    """What the command line asks for."""

    source: str | None
    dry_run: bool


def parse(arguments: list[str]) -> Options:
    """Raises SystemExit(2) after one line that names the mistake."""
    parser = Parser("reprocess", DESCRIPTION, EPILOG)
    parser.add_argument(
        "--source", metavar="NAME", help="only events of this source (default: of all sources)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing; only count what would be mended"
    )
    return Options(**vars(parser.parse_args(arguments)))


def main(arguments: list[str]) -> int:
    """Reprocess what the arguments ask for, and return the exit code."""
    options = parse(arguments)
    try:
        settings = Settings.from_environment(
            {
                name: value
                for name, value in os.environ.items()
                if name in VARIABLES or name.startswith(PREFIX)
            }
        )
        run = Run(Rules(load_sources(settings)), options.source)
        return asyncio.run(_reprocess(options, settings, run))
    except SettingsError as error:
        return _fail(str(error))
    except KeyboardInterrupt:  # before there was anything to stop
        return 128 + signal.SIGINT


async def _reprocess(options: Options, settings: Settings, run: Run) -> int:
    signals = stop_on_signals(run.patience.stop)
    begun = time.perf_counter()
    failure = None
    try:
        await (_look if options.dry_run else _mend)(settings, run)
    except (DatabaseError, StoreError) as error:
        # A stop while the database was locked is no failure.
        failure = None if signals and is_locked(error) else str(error)
    run.line.end()
    if failure is None or run.tally.looked_at:
        sys.stdout.write(summary(run.tally, time.perf_counter() - begun, options.dry_run))
    if failure is not None:
        return _fail(failure)
    if signals:
        _fail("interrupted: what is counted is done; run it again for the rest")
        return 128 + signals[0]
    return 1 if run.tally.refused else 0


async def _look(settings: Settings, run: Run) -> None:
    """By a reader, which can't change anything."""
    reader = await open_reader(settings)
    try:
        await run.run(reader, None)
    finally:
        await reader.close()


async def _mend(settings: Settings, run: Run) -> None:
    async def opened() -> Store:
        store = make_store(settings, partial(end_process, exit_code=FAILED_EXIT_CODE))
        await store.open()
        return store

    store = await run.patience.use(opened)
    try:
        await run.run(store, store)
        if run.tally.messages:
            await run.patience.use(store.index_all)
    finally:
        await store.close()


def _fail(sentence: str) -> int:
    sys.stderr.write(f"reprocess: {sentence}\n")
    return FAILED_EXIT_CODE
