"""`python -m service` with as many workers as WORKERS says, also where the database is SQLite.

SQLite takes several processes; they are only slower than one, which is why the service refuses. It
does not take several that make one file at once: it is made before them.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from service.__main__ import main
from service.errors import StartError
from service.settings import Settings
from service.store.sqlite import SqliteStore


def read_settings(_: object, environment: Mapping[str, str]) -> Settings:
    settings = read(dict(environment) | {"WORKERS": ""})
    with suppress(StartError):  # for the workers to say
        asyncio.run(create(settings))
    return msgspec.structs.replace(settings, workers=int(environment["WORKERS"]))


async def create(settings: Settings) -> None:
    store = SqliteStore(settings.database_path)
    await store.open()
    await store.close()


if __name__ == "__main__":
    read = Settings.from_environment
    Settings.from_environment = classmethod(read_settings)  # type: ignore[assignment, method-assign]
    sys.exit(main())
