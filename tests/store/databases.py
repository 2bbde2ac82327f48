"""Where the suite's stores live: an empty database of each kind, and ways to spoil it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from pathlib import Path
from typing import Any, Protocol

from service.store.port import Store
from service.store.queries import sql_folder
from service.store.sqlite import SqliteStore
from service.store.sqlite_connection import driver


class Database(Protocol):
    """One empty database. The next kind goes beside SqliteDatabase, into `DATABASES`."""

    def opened(self) -> AbstractAsyncContextManager[Store]:
        """A store that is open inside the `async with`; one after the other, or side by side."""
        ...

    def refusing(self, message_id: str) -> AbstractContextManager[None]:
        """Inside the `with`, the database raises an error when it is given this message."""
        ...

    def ignoring(self, message_id: str) -> AbstractContextManager[None]:
        """Inside the `with`, the database drops this message and says nothing."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Inside the `with`, somebody else keeps everybody from writing."""
        ...


class SqliteDatabase:
    """A file, and the service's own SQL but for the time that it waits for a lock."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.sql = folder / "sql"
        shutil.copytree(sql_folder("sqlite"), self.sql)
        with (self.sql / "connection.sql").open("a") as file:
            file.write("PRAGMA busy_timeout = 10;\n")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        store = SqliteStore(self.path, self.sql)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    def refusing(self, message_id: str) -> AbstractContextManager[None]:
        return self._sabotage(message_id, "RAISE(ABORT, 'refused by the test')")

    def ignoring(self, message_id: str) -> AbstractContextManager[None]:
        return self._sabotage(message_id, "RAISE(IGNORE)")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(self.connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.rollback()

    def rewrite(self, file: str, old: str, new: str) -> None:
        """Change a file of this database's SQL."""
        text = (self.sql / file).read_text("utf-8")
        assert old in text
        (self.sql / file).write_text(text.replace(old, new), "utf-8")

    def connect(self) -> Any:
        """A connection behind the store's back.

        The store's own driver: two SQLite libraries in one process do not see each other's locks.
        """
        return driver.connect(self.path, isolation_level=None)

    @contextmanager
    def _sabotage(self, message_id: str, action: str) -> Iterator[None]:
        with closing(self.connect()) as connection:
            connection.execute(
                "CREATE TRIGGER sabotage BEFORE INSERT ON messages"
                f" WHEN NEW.message_id = '{message_id}' BEGIN SELECT {action}; END"
            )
            yield
            connection.execute("DROP TRIGGER sabotage")


DATABASES = {"sqlite": SqliteDatabase}
