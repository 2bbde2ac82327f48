"""Processes that open a store at the same moment."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

OPEN_A_STORE = """
import asyncio, pathlib, sys
from service.store.{module}.store import {store}

async def main():
    store = {store}({arguments})
    await store.open()
    await store.close()

print("ready", flush=True)
sys.stdin.read()
asyncio.run(main())
"""
OPEN_A_SQLITE_STORE = OPEN_A_STORE.format(
    module="sqlite",
    store="SqliteStore",
    arguments="pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])",
)
OPEN_A_POSTGRES_STORE = OPEN_A_STORE.format(
    module="postgres",
    store="PostgresStore",
    arguments="sys.argv[1], pathlib.Path(sys.argv[2]), allows_async_commit=True",
)


def start_at_once(command: Sequence[str], count: int) -> None:
    """Start so many processes, let them go on together, and check that each ends silently with 0.

    Each writes "ready", and waits for the end of its input.
    """
    waiting, starting_gun = os.pipe()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=waiting, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            )
            for _ in range(count)
        ]
        outputs = [process.stdout for process in processes if process.stdout is not None]
        assert [output.readline() for output in outputs] == [b"ready\n"] * count
        os.close(starting_gun)
        assert [output.read() for output in outputs] == [b""] * count
    os.close(waiting)
    assert [process.returncode for process in processes] == [0] * count
