"""`python -m service reindex`: make the index and the counts again from the messages."""

import asyncio
import os
import sys

from service.errors import DatabaseError
from service.settings import Settings
from service.store.factory import make_store
from service.store.interface import StoreError


def main(_arguments: list[str]) -> int:
    """Reindex the database of DATABASE_URL, also beside a running service. Raises StartError."""
    asyncio.run(_reindex(Settings.from_environment(os.environ)))
    return 0


async def _reindex(settings: Settings) -> None:
    store = make_store(settings)
    await store.open()
    try:
        await store.reindex()
        totals = await store.totals()
    except StoreError as error:
        raise DatabaseError(f"DATABASE_URL: can't reindex: {error}") from error
    finally:
        await store.close()
    sys.stdout.write(f"reindexed: {totals.messages:,} messages of {totals.senders:,} senders\n")
