"""`python -m service import`: store messages from files."""

import asyncio
import os
import signal
import sys
import time
from contextlib import closing
from functools import partial

from service.commands.import_.arguments import Options, parse
from service.commands.import_.batches import Reader
from service.commands.import_.pipeline import Pipeline
from service.commands.import_.rejects import Rejects, RejectsError
from service.commands.import_.report import screen, summary
from service.commands.import_.sources import Valve
from service.commands.signals import stop_on_signals
from service.errors import SettingsError
from service.settings import Settings
from service.store.factory import make_store
from service.store.failure import end_process
from service.store.interface import Store

VARIABLES = ("DATABASE_URL", "DATABASE_URL_FILE", "ALLOW_ASYNC_COMMIT", "MAX_BODY_BYTES")
"""What is read of the environment; the rest of it is the service's own affair."""

FAILED_EXIT_CODE = 2
"""For a database that can't be used, or a rejects file that can't be written."""


def main(arguments: list[str]) -> int:
    """Import what the arguments name, and return the exit code.

    Raises SystemExit(2) where the arguments make no sense, and SystemExit(0) after --help.
    """
    options = parse(arguments)
    try:
        environment = {name: os.environ.get(name, "") for name in VARIABLES}
        settings = Settings.from_environment(environment)
        with closing(Rejects(options.rejects)) as rejects:
            return asyncio.run(_import(options, settings, rejects))
    except (SettingsError, RejectsError) as error:
        _fail(str(error))
        return FAILED_EXIT_CODE
    except KeyboardInterrupt:  # before there was anything to stop
        return 128 + signal.SIGINT


async def _import(options: Options, settings: Settings, rejects: Rejects) -> int:
    with closing(Valve()) as valve:
        reader = Reader(options.files, settings.body_bytes_max, rejects, valve)
        begun = time.perf_counter()
        with screen(options.files) as shown:
            pipeline = Pipeline(lambda: _opened(settings), reader, valve, shown)
            signals = stop_on_signals(pipeline.stop)
            await pipeline.run()
        elapsed_seconds = time.perf_counter() - begun
    if pipeline.failure is None or pipeline.tally.lines:
        sys.stdout.write(summary(pipeline.tally, elapsed_seconds))
    if pipeline.failure is not None:
        _fail(pipeline.failure)
    elif signals:
        _fail("interrupted: what is counted is stored; run it again to import the rest")
    return _exit_code(pipeline, signals)


async def _opened(settings: Settings) -> Store:
    store = make_store(settings, partial(end_process, exit_code=FAILED_EXIT_CODE))
    await store.open()
    return store


def _exit_code(pipeline: Pipeline, signals: list[signal.Signals]) -> int:
    if signals:
        return 128 + signals[0]
    if pipeline.failure is not None:
        return FAILED_EXIT_CODE
    return 0 if pipeline.tally.all_stored else 1


def _fail(sentence: str) -> None:
    sys.stderr.write(f"import: {sentence}\n")
