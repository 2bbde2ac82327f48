"""PostgreSQL for the bench: durable servers of its own, and a large database for reads."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import dataset
from tests.bench.databases import import_messages
from tests.bench.servers import SERVICE, environment
from tests.measure.places import FOLDER, ROOT, scratch
from tests.measure.watch import Watch
from tests.support.postgres.install import Install, find_install
from tests.support.postgres.server import Server

SETTINGS = {
    "shared_buffers": "1GB",  # a quarter of a small server's memory
    "max_wal_size": "4GB",  # so that a checkpoint comes by the clock, and not in a load
}
"""What every installation is told to set. fsync and synchronous_commit stay on."""

BUILD_SETTINGS = SETTINGS | {"fsync": "off", "full_page_writes": "off", "max_wal_size": "16GB"}
"""While a database is built: after a power loss it is built again."""

KEPT = FOLDER / "postgres"
DATABASE = "bench"


@contextmanager
def serving(trigrams: bool, data: Path | None = None) -> Iterator[Server]:
    """A server that syncs, on a copy of `data` if given: PostgreSQL 17, or 18 without pg_trgm."""
    with scratch() as folder:
        folder.chmod(0o755)
        server = Server(folder / "server", _install(trigrams), SETTINGS)
        if data is not None:
            _copy(data, server.data)
        with server:
            yield server


def prepare_data(messages: int, watch: Watch) -> Path:
    """The data of a server that has so many messages, built by `import` if none is kept."""
    folder = KEPT / f"{messages}-{_digest()}"
    if not folder.exists():
        shutil.rmtree(KEPT, ignore_errors=True)
        with scratch() as place:
            place.chmod(0o755)
            with Server(place / "server", _install(trigrams=True), BUILD_SETTINGS) as server:
                server.create_database(DATABASE)
                variables = {"DATABASE_URL": server.url(DATABASE), "ALLOW_ASYNC_COMMIT": "1"}
                import_messages(messages, SERVICE, environment(place) | variables, watch)
                server.admin("VACUUM (ANALYZE)", DATABASE)
                server.stop()
                KEPT.mkdir(parents=True)
                _copy(server.data, folder.with_suffix(".partial"))
        folder.with_suffix(".partial").rename(folder)
    return folder


def _install(trigrams: bool) -> Install:
    found = find_install(trigrams)
    if found is None:
        raise SystemExit("The bench finds no PostgreSQL of the tests' packages for this platform.")
    return found


def _copy(source: Path, target: Path) -> None:
    """Copy a stopped server's data, whose owner is PostgreSQL's user."""
    subprocess.run(["cp", "-a", source, target], check=True)
    subprocess.run(["sync", "--file-system", target], check=True)


def _digest() -> str:
    """Of all that decides what the database holds."""
    files = [*sorted((ROOT / "sql" / "postgres").rglob("*.sql")), Path(dataset.__file__)]
    made_by = _install(trigrams=True).version.encode()
    return hashlib.sha256(made_by + b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
