"""Makes the store of a database: the one place that knows all of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from service.errors import DatabaseError
from service.settings import PostgresServer, Settings, SqliteFile
from service.store.failure import end_process
from service.store.interface import DiskFailed, Reader, Store, Warn, ignore_warning
from service.store.sqlite.read_only import SqliteReader
from service.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from service.store.postgres.store import PostgresStore


def make_store(
    settings: Settings,
    when_disk_fails: Callable[[DiskFailed], None] = end_process,
    warn: Warn = ignore_warning,
) -> Store:
    """The store of DATABASE_URL, not open yet. Raises DatabaseError where a driver is missing.

    `when_disk_fails` is called in any thread, and must end the process.
    """
    if isinstance(settings.database, SqliteFile):
        return SqliteStore(
            settings.database.path,
            timeout_seconds=settings.query_timeout_seconds,
            when_disk_fails=when_disk_fails,
            warn=warn,
        )
    return _make_postgres_store(settings, settings.database, warn)


async def open_reader(settings: Settings) -> Reader:
    """A reader of DATABASE_URL, open, which changes nothing.

    Raises DatabaseError, also where the database is older or newer than this code.
    """
    if isinstance(settings.database, SqliteFile):
        reader = SqliteReader(
            settings.database.path, timeout_seconds=settings.query_timeout_seconds
        )
        await reader.open()
        return reader
    store = _make_postgres_store(settings, settings.database, ignore_warning)
    await store.open_to_read()
    return store


def _make_postgres_store(settings: Settings, server: PostgresServer, warn: Warn) -> "PostgresStore":
    try:
        # Imported when it is wanted: the driver is an extra of its own.
        from service.store.postgres.store import PostgresStore
    except ModuleNotFoundError as error:
        raise DatabaseError(
            "DATABASE_URL: postgresql:// needs the driver asyncpg:"
            " pip install 'webhook-service[postgres]'"
        ) from error
    return PostgresStore(
        bytes(server.url).decode("utf-8", "surrogateescape"),
        timeout_seconds=settings.query_timeout_seconds,
        allows_async_commit=settings.allows_async_commit,
        warn=warn,
    )
