"""`python -m service migrate`: bring the database up to date."""

import asyncio
import os

from service.settings import Settings
from service.store.factory import make_store


def main(_arguments: list[str]) -> int:
    """Migrate the database of DATABASE_URL. Raises StartError when that is not possible."""
    asyncio.run(_migrate(Settings.from_environment(os.environ)))
    return 0


async def _migrate(settings: Settings) -> None:
    store = make_store(settings)
    await store.open()
    await store.close()
