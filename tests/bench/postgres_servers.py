"""PostgreSQL for the bench: durable servers of its own, and databases that are large already."""

import asyncio
import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import asyncpg
import psutil

from service.store.postgres.store import PostgresStore
from service.store.queries import sql_folder
from tests.bench import dataset, machine
from tests.bench.places import FOLDER, scratch
from tests.bench.watch import Watch
from tests.support.postgres.install import Install, find_install
from tests.support.postgres.server import Server

SETTINGS = {
    # The rest is as PostgreSQL comes: fsync, synchronous_commit and full_page_writes are on.
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
}
"""What every installation is told to set: a quarter of a small server's memory, and a log that is
long enough for a checkpoint to come when its time has, and not in the middle of a load."""

BUILD_SETTINGS = SETTINGS | {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "16GB",
    "maintenance_work_mem": "1GB",
}
"""While a database is built: if the power goes, it is built again."""

KEPT = FOLDER / "postgres"
DATABASE = "bench"
BATCH_MESSAGES = 1_000

BY_TEXT = "CREATE INDEX texts_by_trigram ON texts USING gin (text_folded gin_trgm_ops)"
"""As search.sql has it."""


def install(trigrams: bool) -> Install:
    """PostgreSQL 17 with pg_trgm, or 18 without; raises SystemExit where there is no package."""
    found = find_install(trigrams)
    if found is None:
        raise SystemExit("The bench finds no PostgreSQL of the tests' packages for this platform.")
    return found


@contextmanager
def serving(trigrams: bool, kept: Path | None = None) -> Iterator[Server]:
    """A server that syncs, on a copy of the data that is kept, or on none."""
    with scratch() as folder:
        folder.chmod(0o755)
        server = Server(folder / "server", install(trigrams), SETTINGS)
        if kept is not None:
            _copy(kept, server.data)
        with server:
            yield server


def describe_versions() -> dict[str, str]:
    """Of what was measured, and of wrk, which measured it."""
    return {
        **machine.describe_versions(),
        "asyncpg": version("asyncpg"),
        "PostgreSQL with pg_trgm": install(True).version,
        "PostgreSQL without": install(False).version,
    }


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of all that descend from it, also of those that ended."""
    first = psutil.Process(pid)
    family = [first, *first.children(recursive=True)]
    times = [process.cpu_times() for process in family if process.is_running()]
    ended = times[0].children_user + times[0].children_system
    return float(sum(time.user + time.system for time in times) + ended)


def checkpoint(server: Server) -> None:
    """What the runs before left to write is written: the next one does not pay for it."""
    server.admin("CHECKPOINT")


def prepared(messages: int, watch: Watch) -> tuple[Path, float]:
    """The data of a server with so many messages, built where there is none yet, and the seconds
    that took."""
    folder = KEPT / f"{messages}-{_digest()}"
    if not folder.exists():
        for old in KEPT.glob(f"{messages}-*"):
            shutil.rmtree(old)
        partial = KEPT / f"{messages}-partial"
        partial.mkdir(parents=True)
        began = time.monotonic()
        with scratch() as place:
            place.chmod(0o755)
            server = Server(place / "server", install(True), BUILD_SETTINGS)
            with server:
                server.create_database(DATABASE)
                asyncio.run(_build(server.url(DATABASE), messages, watch))
                server.stop()
                _copy(server.data, partial / "data")
        (partial / "seconds").write_text(f"{time.monotonic() - began:.1f}")
        partial.rename(folder)
    return folder / "data", float((folder / "seconds").read_text())


async def _build(url: str, count: int, watch: Watch) -> None:
    """Store messages as the service does, batch by batch, with its own statements.

    Only the index of parts of texts is made at the end and at once, which takes a small part of
    the time that it takes text by text.
    """
    store = PostgresStore(url, allows_async_commit=True)
    await store.open()
    connection = await asyncpg.connect(url)
    try:
        await store._indexer.close()
        await connection.execute("DROP INDEX texts_by_trigram")
        with watch.counting("storing messages", count) as step:
            for chunk in dataset.messages(count):
                batches = [
                    chunk[begin : begin + BATCH_MESSAGES]
                    for begin in range(0, len(chunk), BATCH_MESSAGES)
                ]
                for batch in batches:
                    await store.insert(batch)
                step(len(chunk))
        watch.say("indexing messages")
        await store.index_all()
        if left := await connection.fetchval("SELECT count(*) FROM pending_texts"):
            raise SystemExit(
                f"The database is not what it should be: {left} batches are not indexed"
            )
        await connection.execute(BY_TEXT)
        # What autovacuum does in time, in life.
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
        await store.close()


def _copy(source: Path, target: Path) -> None:
    """Copy a stopped server's data, and make PostgreSQL's user its owner."""
    subprocess.run(["cp", "-a", source, target], check=True)
    subprocess.run(["sync", "--file-system", target], check=True)


def _digest() -> str:
    """Of all that decides what the database holds."""
    sql = sql_folder("postgres")
    files = [
        *sorted(sql.glob("migrations/*.sql")),
        sql / "search.sql",
        Path(dataset.__file__),
    ]
    made_by = install(True).version.encode()
    content = [file.read_bytes() for file in files]
    return hashlib.sha256(b"".join([made_by, *content])).hexdigest()[:12]
