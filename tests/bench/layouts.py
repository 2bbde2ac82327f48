"""What storing a message costs by how the table of messages lies in its file.

    python -m tests.bench.layouts [MESSAGES] [--turns N]

Every layout is a table that holds so many messages already. Batches of new ones, with random ids,
are stored in commits that wait for the disk, and then the log is moved into the file; the layouts
take turns. One connection, in this process, and no service.
"""

import argparse
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from service.messages.message import Message
from service.store.sqlite.pool import driver
from tests.bench import dataset
from tests.bench.places import scratch
from tests.bench.results import Spread
from tests.bench.tables import spread, table
from tests.bench.watch import Watch

BATCH_MESSAGES = 64
"""As 128 connections make them."""

BATCHES = 300

FIELDS = """\
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    text TEXT,
    text_folded TEXT,
    created_at INTEGER NOT NULL
"""
BY_SEQ = f"""\
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id ANY NOT NULL UNIQUE,
{FIELDS}) STRICT
"""
BY_ID = f"CREATE TABLE messages (message_id ANY PRIMARY KEY,\n{FIELDS}) STRICT, WITHOUT ROWID"

INSERT = """\
INSERT OR IGNORE INTO messages
    (message_id, from_msisdn, to_msisdn, ts, text, text_folded, created_at)
SELECT {id}, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 0
FROM json_each(:batch)
WHERE true
"""
"""`sql/sqlite/queries/insert_messages.sql`, but for the id."""


class Layout(NamedTuple):
    """A table, and how it is written to; as the service has it, where nothing is said."""

    name: str
    table: str = BY_SEQ
    page_bytes: int = 4_096
    cache_kibibytes: int = 8_192
    message_id: str = "value ->> 0"
    order: str = ""
    frames_max: int | None = None
    """The log is moved whenever it has so many frames; None: at the end."""

    @property
    def kind(self) -> tuple[str, int, str]:
        """Layouts of one kind are written to the same file."""
        return self.table, self.page_bytes, self.message_id


LAYOUTS = (
    Layout("as it is: pages of 4 KiB, a page cache of 8 MiB"),
    Layout("pages of 1 KiB", page_bytes=1_024),
    Layout("pages of 8 KiB", page_bytes=8_192),
    Layout("pages of 16 KiB", page_bytes=16_384),
    Layout("a page cache of 64 MiB", cache_kibibytes=65_536),
    Layout("each batch sorted by id", order="ORDER BY value ->> 0"),
    Layout("`WITHOUT ROWID`, by id, no `seq`", table=BY_ID),
    Layout("ids of 16 bytes (UUIDs alone)", message_id="unhex(replace(value ->> 0, '-', ''))"),
    Layout("moved each 1,000 frames", frames_max=1_000),
    Layout("moved each 4,000 frames", frames_max=4_000),
    Layout("moved each 16,000 frames", frames_max=16_000),
)


class Cost(NamedTuple):
    """Of one message: microseconds of the processor and of the clock, and bytes in the log."""

    processor: float
    wall: float
    logged: float


def main() -> None:
    """Build, measure in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("messages", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = {layout.name: [] for layout in LAYOUTS}
    with Watch() as watch, scratch() as folder:
        kinds = {layout.kind: layout for layout in LAYOUTS}
        files = {kind: folder / f"{number}.db" for number, kind in enumerate(kinds)}
        with watch.part("filling", len(files)) as begin:
            for kind, layout in kinds.items():
                begin(layout.name)
                _fill(files[kind], layout, options.messages)
        with watch.part("storing", options.turns * len(LAYOUTS)) as begin:
            for _, layout in product(range(options.turns), LAYOUTS):
                begin(layout.name)
                costs[layout.name].append(_store(files[layout.kind], layout))
    head = ["layout", "CPU, storing and moving, µs", "the same in time, µs", "logged, bytes"]
    rows = [[name, *map(_spread, zip(*found, strict=True))] for name, found in costs.items()]
    print(table(head, rows))


def _fill(file: Path, layout: Layout, messages: int) -> None:
    with closing(driver.connect(str(file), isolation_level=None)) as connection:
        for setting in (f"page_size = {layout.page_bytes}", "journal_mode = OFF"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("PRAGMA cache_size = -1048576")
        connection.execute(layout.table)
        connection.execute("BEGIN")
        for chunk in dataset.messages(messages):
            connection.execute(_insert(layout), {"batch": _encode(chunk)})
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _store(file: Path, layout: Layout) -> Cost:
    batches = list(_batches())
    log = file.with_name(f"{file.name}-wal")
    with closing(driver.connect(str(file), isolation_level=None)) as connection:
        for setting in ("synchronous = FULL", "wal_autocheckpoint = 0"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA cache_size = -{layout.cache_kibibytes}")
        frame_bytes = layout.page_bytes + 24  # sqlite.org/fileformat2.html#walformat
        logged = 0
        processor, wall = time.process_time(), time.perf_counter()
        for batch in batches:
            connection.execute(_insert(layout), {"batch": batch})
            if (
                layout.frames_max is not None
                and log.stat().st_size > layout.frames_max * frame_bytes
            ):
                logged += _move(connection, log)
        logged += _move(connection, log)
        processor, wall = time.process_time() - processor, time.perf_counter() - wall
    count = BATCH_MESSAGES * BATCHES
    return Cost(processor / count * 1e6, wall / count * 1e6, logged / count)


def _move(connection: Any, log: Path) -> int:
    """Move the log into the file; gives how many bytes it had."""
    size = log.stat().st_size
    connection.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchall()
    return size


def _batches() -> Iterator[str]:
    """Messages with ids that no file has."""
    chunks = dataset.messages(BATCH_MESSAGES * BATCHES, seed=2, begin=dataset.END)
    messages = (message for chunk in chunks for message in chunk)
    for batch in zip(*[messages] * BATCH_MESSAGES, strict=True):
        yield _encode([_renamed(message) for message in batch])


def _renamed(message: Message) -> Message:
    return msgspec.structs.replace(message, message_id=str(uuid.uuid4()))


def _insert(layout: Layout) -> str:
    return INSERT.format(id=layout.message_id) + layout.order


def _encode(messages: list[Message]) -> str:
    return msgspec.json.encode(messages).decode()


def _spread(values: tuple[float, ...]) -> str:
    return spread(Spread.of(values))


if __name__ == "__main__":
    main()
