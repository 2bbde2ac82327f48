"""What `just bench postgres` found, as it is written to postgres.json."""

from pathlib import Path
from typing import Self

import msgspec

from tests.bench.results import Measured, Read, Spread, write

SQLITE, POSTGRES = "sqlite", "postgres"


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """One thing under all the webhooks that 128 connections can send."""

    name: str
    requests_per_second: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_us: Spread
    """Processor time of the service for a webhook, until the last answer."""
    server_cpu_us: Spread | None = None
    """Processor time of the database's server for a webhook, likewise."""
    tail_messages: Spread | None = None
    """Messages that were not in the index of texts, or not in the counts, at the last answer."""
    drain_seconds: Spread | None = None
    """From then until all of them were."""


class Built(msgspec.Struct, frozen=True):
    """The database that is read."""

    messages: int
    database_bytes: int
    build_seconds: float


class PostgresReport(Measured):
    """All of it. Runs of one list were made in turns: those of one number belong together."""

    settings: dict[str, str]
    """PostgreSQL's, where they are not as it comes."""
    ingest: list[Rate] = msgspec.field(default_factory=list)
    batches: list[Rate] = msgspec.field(default_factory=list)
    workers: list[Rate] = msgspec.field(default_factory=list)
    senders: list[Rate] = msgspec.field(default_factory=list)
    built: Built | None = None
    reads: list[Read] = msgspec.field(default_factory=list)
    """`beside` is the database: SQLITE or POSTGRES."""

    def replace_part(self, part: str, later: Self) -> None:
        """See `Measured.replace_part`; with its reads goes what is said of the database."""
        super().replace_part(part, later)
        if part == "reads":
            self.built = later.built


def save(report: PostgresReport, file: Path) -> None:
    """Write postgres.json: a line for each figure."""
    write(msgspec.json.encode(report), file)


def load(file: Path) -> PostgresReport | None:
    """Read postgres.json; None where nothing has been measured yet."""
    if not file.exists():
        return None
    return msgspec.json.decode(file.read_bytes(), type=PostgresReport)
