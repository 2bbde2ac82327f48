"""The service as it is, but for one thing that the bench varies.

BENCH_BATCHES_IN_FLIGHT=n   so many batches at a time
BENCH_COMMIT_SECONDS=s      no message is stored: a batch is answered after so many seconds, by
                            nobody, so that the database takes no processor time
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from service import __main__ as service
from service.messages.message import Message
from service.store.interface import Outcome
from service.store.postgres.store import PostgresStore


def simulate_commits(seconds: float) -> None:
    """Have every batch wait, and store nothing."""

    async def insert(_: PostgresStore, messages: Sequence[Message]) -> list[Outcome]:
        await asyncio.sleep(seconds)
        return [Outcome.CREATED] * len(messages)

    setattr(PostgresStore, "insert", insert)  # noqa: B010


if __name__ == "__main__":
    if batches := os.environ.get("BENCH_BATCHES_IN_FLIGHT"):
        PostgresStore.batches_in_flight = int(batches)
    if seconds := os.environ.get("BENCH_COMMIT_SECONDS"):
        simulate_commits(float(seconds))
    sys.exit(service.main())
