"""What importing a message costs, against a bare script that runs the same SQL over the same rows.

    python -m tests.bench.import_cost [MESSAGES] [--pairs N]

Both end when everything can be searched, and begin with no database. The script has its rows in
memory and checks nothing; it is charged for handing them to SQLite and for what SQLite does. The
import is charged for all: start, reading, decompression, decoding, validation, and the same SQL.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service.commands.compression import reading, writing
from service.messages.instants import format_instant
from service.messages.message import Message, WebhookBody, decode_message, encode
from service.store.migrate import load_migrations
from service.store.queries import SqliteQueries, load_queries, sql_folder
from service.store.sqlite.indexer import SLICE_MESSAGES, index_path, index_steps
from service.store.sqlite.pool import driver, execute_all
from tests.bench.dataset import messages
from tests.bench.machine import describe_machine
from tests.bench.places import scratch
from tests.bench.results import Spread

BATCH_MESSAGES = 2_000


class Cost(NamedTuple):
    """Of one message, in microseconds."""

    wall: float
    processor: float


def main() -> None:
    """Measure both in turns, and print the medians, the spread and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("messages", nargs="?", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(encode(_run_bare(*map(Path, options.bare))).decode())
        return
    with scratch() as folder:
        file = folder / "messages.ndjson.zst"
        _write(file, options.messages)
        bare, imported = [], []
        for number in track(range(options.pairs), description="Importing", transient=True):
            bare.append(_measure_bare(file, folder / f"bare-{number}.db"))
            imported.append(_measure_import(file, folder / f"import-{number}.db", options.messages))
    _show(options.messages, bare, imported)


def _write(file: Path, count: int) -> None:
    with file.open("wb") as raw, closing(writing(raw, file.name)) as out:
        for chunk in messages(count):
            for message in chunk:
                body = WebhookBody(
                    message.message_id,
                    message.from_msisdn,
                    message.to_msisdn,
                    format_instant(message.ts),
                    message.text,
                )
                out.write(encode(body) + b"\n")


def _measure_import(file: Path, database: Path, count: int) -> Cost:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{database}"}
    used = _processor_seconds_of_children()
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "service", "import", str(file)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - begun
    assert f"{count:,}  created" in done.stdout, done.stdout
    used = _processor_seconds_of_children() - used
    return Cost(seconds / count * 1e6, used / count * 1e6)


def _measure_bare(file: Path, database: Path) -> Cost:
    command = [sys.executable, "-m", "tests.bench.import_cost", "--bare", str(file), str(database)]
    done = subprocess.run(command, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Cost)


def _run_bare(file: Path, database: Path) -> Cost:
    """One thread, one loop: store a batch, and index whenever there is a slice to index."""
    folder = sql_folder("sqlite")
    queries = load_queries(folder / "queries", SqliteQueries)
    main_file = driver.connect(database.as_uri(), uri=True, isolation_level=None)
    execute_all(main_file, (folder / "connection.sql").read_text("utf-8"))
    for migration in load_migrations(folder / "migrations"):
        execute_all(main_file, migration.sql)
    index_file = driver.connect(index_path(database).as_uri(), uri=True, isolation_level=None)
    execute_all(index_file, (folder / "index_connection.sql").read_text("utf-8"))
    execute_all(index_file, (folder / "index.sql").read_text("utf-8"))
    index_file.execute(queries.insert_indexed, {"digest": ""})
    index_file.execute(queries.attach, {"uri": f"{database.as_uri()}?mode=ro"})

    def index(after_seq: int) -> None:
        index_file.execute(queries.create_slice)
        index_file.execute(queries.empty_slice)
        slice_ = {"after_seq": after_seq, "limit": SLICE_MESSAGES}
        index_file.execute(queries.fill_slice, slice_)
        index_file.execute(queries.begin_slice)
        index_file.execute(queries.record_indexed, slice_)
        for step in index_steps(queries):
            index_file.execute(step)
        index_file.commit()

    stored = indexed = 0
    clock = _Clock()
    for batch in _batches(file):
        with clock:
            parameters = {"batch": encode(batch).decode(), "created_at": stored}
            stored += main_file.execute(queries.insert_messages, parameters).rowcount
            while stored - indexed >= SLICE_MESSAGES:
                index(indexed)
                indexed += SLICE_MESSAGES
    with clock:
        index(indexed)
        index_file.close()
        main_file.close()
    return Cost(clock.wall / stored * 1e6, clock.processor / stored * 1e6)


class _Clock:
    """Adds up the seconds that are spent inside."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.processor -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.processor += time.process_time()


def _batches(file: Path) -> Iterator[list[Message]]:
    batch: list[Message] = []
    with file.open("rb") as raw:
        for line in reading(raw, file.name):
            batch.append(decode_message(line))
            if len(batch) == BATCH_MESSAGES:
                yield batch
                batch = []
    if batch:
        yield batch


def _show(count: int, bare: Sequence[Cost], imported: Sequence[Cost]) -> None:
    table = Table("", "bare script", "import", "ratio", title=f"µs a message, of {count:,}")
    for what, field in (("from start to end", "wall"), ("of processor", "processor")):
        pairs = [
            (getattr(b, field), getattr(i, field)) for b, i in zip(bare, imported, strict=True)
        ]
        ratios = [its_own / of_bare for of_bare, its_own in pairs]
        columns = [*zip(*pairs, strict=True), ratios]
        digits = (1, 1, 2)
        table.add_row(what, *map(_spread, columns, digits))
    console = Console()
    console.print(table)
    console.print("median (least to most);", ", ".join(describe_machine().values()))


def _spread(values: Sequence[float], digits: int) -> str:
    spread = Spread.of(values)
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f} to {spread.most:.{digits}f})"


def _processor_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
