"""Scenarios: what a process does when a power loss may come."""

import asyncio
import errno
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from service.messages.message import decode_message
from service.store.sqlite.connection import driver
from service.store.sqlite.index_file import index_path
from service.store.sqlite.store import SqliteStore
from tests.faults.crashes import choose, leave
from tests.faults.journal import FDS, Write
from tests.faults.recording import CONNECTIONS, PAUSE_SECONDS, Recording, Studio, by_id
from tests.faults.shim import Call
from tests.faults.supervisor import Supervisor
from tests.faults.traffic import spread
from tests.support.processes import run_service
from tests.support.service import ROOT, encode
from tests.support.strategies import Sent

LOADED_MESSAGES = 40 * CONNECTIONS
FAILING_PARTS = 8
IMPORTED_MESSAGES = 1_500

MIGRATIONS = {
    "of_all_messages": """
        ALTER TABLE messages ADD COLUMN note TEXT;
        UPDATE messages SET note = 'note of ' || message_id;
        CREATE INDEX messages_by_note ON messages (note);
    """,
    "of_a_table": "CREATE TABLE notes (note TEXT) STRICT; INSERT INTO notes VALUES ('a note');",
}
"""Two migrations of a newer version: one writes every message, one writes little."""


def load(studio: Studio, count: int = LOADED_MESSAGES) -> Recording:
    """Webhooks on several connections at once, with checkpoints while they come."""
    sent = studio.webhooks("load", count)
    operations = studio.serve(sent)
    return Recording(
        "load", studio.before, operations, Path("app.db"), by_id(sent), [], studio.source
    )


def first_start(studio: Studio) -> Recording:
    """Folders, database and index are made, and the first webhooks come."""
    sent = studio.webhooks("first", CONNECTIONS * 3)
    database = "new/data/app.db"
    operations = studio.serve(sent, database)
    return Recording(
        "first start", studio.before, operations, Path(database), by_id(sent), [], studio.source
    )


def migration(studio: Studio) -> Recording:
    """A newer version changes every message that is there."""
    old, new = studio.messages("old", 200), studio.webhooks("new", CONNECTIONS)
    fill(studio.before / "app.db", old)
    studio.source = checkout_with_migrations(studio.folder / "checkout")
    operations = studio.serve(new)
    return Recording(
        "migration",
        studio.before,
        operations,
        Path("app.db"),
        by_id([*old, *new]),
        list(by_id(old)),
        studio.source,
    )


def import_(studio: Studio) -> Recording:
    """Files are imported into a database that has some of their messages."""
    sent = studio.messages("file", IMPORTED_MESSAGES)
    old = sent[:100]
    fill(studio.before / "app.db", old)
    shutil.copytree(studio.before, studio.shim.disk, dirs_exist_ok=True)
    file = write_file(studio, sent)
    import_file(file, studio.environment("app.db"))
    return Recording(
        "import",
        studio.before,
        studio.develop(),
        Path("app.db"),
        by_id(sent),
        list(by_id(old)),
        import_file=file,
        imported=list(by_id(sent)),
    )


def import_beside(studio: Studio) -> Recording:
    """A file is imported while webhooks come, some of them for its messages."""
    imported = studio.messages("file", IMPORTED_MESSAGES)
    delivered = [*studio.webhooks("beside", LOADED_MESSAGES), *imported[::20]]
    studio.chance.shuffle(delivered)
    lines = spread(delivered, CONNECTIONS, studio.chance)
    file = write_file(studio, imported)

    def drive(service: Supervisor) -> None:
        with ThreadPoolExecutor(1) as threads:
            importing = threads.submit(import_file, file, studio.environment("app.db", process=1))
            exchanges = service.deliver(lines, PAUSE_SECONDS)
            importing.result()
        assert {each.status for each in exchanges} == {200}

    operations = studio.run(delivered, drive)
    writers = [each.fd // FDS for each in operations if isinstance(each, Write)]
    assert (1, 0) in pairwise(writers), "the import had the database for itself"
    return Recording(
        "import beside",
        studio.before,
        operations,
        Path("app.db"),
        by_id([*delivered, *imported]),
        [],
        import_file=file,
        imported=list(by_id(imported)),
    )


def index(studio: Studio) -> Recording:
    """The index is lost, damaged or outdated, and is made again while webhooks come."""
    old, new = studio.messages("old", 500), studio.webhooks("new", CONNECTIONS * 2)
    fill(studio.before / "app.db", old)
    studio.chance.choice([_lose, _cut, _spoil, _outdate])(index_path(studio.before / "app.db"))
    operations = studio.serve(new)
    return Recording(
        "index",
        studio.before,
        operations,
        Path("app.db"),
        by_id([*old, *new]),
        list(by_id(old)),
    )


def again(studio: Studio) -> Recording:
    """A second power loss, during the start after the first, or soon after it."""
    inner = studio.folder / "first"
    inner.mkdir()
    seed = studio.chance.randrange(10**9)
    first = load(Studio(studio.library, inner, seed), LOADED_MESSAGES // 4)
    crash = choose(first.operations, first.database, seed)
    leave(first.before, first.operations, first.database, crash, studio.before)
    new = studio.webhooks("new", CONNECTIONS * 3)
    operations = studio.serve(new)
    promise = first.promise(crash.time)
    return Recording(
        "again",
        studio.before,
        operations,
        Path("app.db"),
        {**promise.sent, **by_id(new)},
        list(promise.acknowledged),
    )


def failing(studio: Studio) -> Recording:
    """A load, while a sync or a write of the database or its WAL fails now and then.

    Each failure ends the service, and the next start finds what it left.
    """
    sent = studio.webhooks("failing", FAILING_PARTS * 4 * CONNECTIONS)

    def drive(service: Supervisor) -> None:
        for part in range(FAILING_PARTS):
            due = sent[part::FAILING_PARTS]
            name = studio.chance.choice(["app.db", "app.db-wal"])
            skip, times = studio.chance.randrange(8), studio.chance.randrange(1, 3)
            with studio.shim.failing(Call.SYNC | Call.WRITE, errno.EIO, name, skip, times):
                due = refused(service, due)
            while due:
                due = refused(service, due)

    def refused(service: Supervisor, due: Sequence[Sent]) -> list[Sent]:
        lines = [due[number::CONNECTIONS] for number in range(CONNECTIONS)]
        exchanges = service.deliver(lines, PAUSE_SECONDS)
        assert {each.status for each in exchanges} <= {200, 503, None}
        return [each.sent for each in exchanges if each.status != 200]

    operations = studio.run(sent, drive)
    return Recording("failing", studio.before, operations, Path("app.db"), by_id(sent), [])


SCENARIOS: Sequence[Callable[[Studio], Recording]] = (
    load,
    first_start,
    migration,
    import_,
    import_beside,
    index,
    again,
    failing,
)


def fill(database: Path, sent: Sequence[Sent]) -> None:
    """Make a database that holds these messages, all indexed."""

    async def run() -> None:
        store = SqliteStore(database)
        await store.open()
        try:
            await store.insert([decode_message(encode(each.content())) for each in sent])
            await store.index_all()
        finally:
            await store.close()

    asyncio.run(run())


def write_file(studio: Studio, sent: Sequence[Sent]) -> Path:
    """A file to be imported."""
    file = studio.folder / "messages.ndjson"
    file.write_bytes(b"".join(encode(each.content()) + b"\n" for each in sent))
    return file


def import_file(file: Path, environment: dict[str, str]) -> None:
    """Import all of a file; it must succeed."""
    done = run_service(["import", str(file)], environment)
    assert done.returncode == 0, done.stderr


def checkout(folder: Path) -> Path:
    """A copy of the service, which may be changed; gives `folder`."""
    for name in ("service", "sql"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def checkout_with_migrations(folder: Path) -> Path:
    """A version of the service with two more migrations."""
    migrations = checkout(folder) / "sql" / "sqlite" / "migrations"
    last = len(list(migrations.iterdir()))
    for number, (name, sql) in enumerate(MIGRATIONS.items(), start=last + 1):
        (migrations / f"{number:04}_{name}.sql").write_text(sql, "utf-8")
    return folder


def _lose(file: Path) -> None:
    file.unlink()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:10_000])


def _spoil(file: Path) -> None:
    file.write_bytes(b"no database " * 1_000)


def _outdate(file: Path) -> None:
    with closing(driver.connect(file)) as connection:
        connection.execute("UPDATE indexed SET digest = 'of an older version'")
        connection.commit()
