"""What `just bench postgres` found, as it is written to postgres.json."""

from pathlib import Path

import msgspec

from tests.bench.results import Read, Spread, write

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


class PostgresReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All of it. Runs of one list were made in turns: those of one number belong together."""

    command: str
    began_at: str
    seconds: float
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    """PostgreSQL's, where they are not as it comes."""
    commit: str
    load_average: list[float]
    sync_us: Spread
    run_seconds: int
    ingest: list[Rate] = []
    batches: list[Rate] = []
    workers: list[Rate] = []
    senders: list[Rate] = []
    built: Built | None = None
    reads: list[Read] = []
    """`beside` is the database: SQLITE or POSTGRES."""

    measured_again: dict[str, str] = {}
    """By part that was measured later than the rest: when, and the commit."""

    def replace_part(self, part: str, later: "PostgresReport") -> None:
        """Put one part of a later report in place of this one's."""
        setattr(self, part, getattr(later, part))
        if part == "reads":
            self.built = later.built
        self.measured_again[part] = f"{later.began_at[:10]}, commit {later.commit}"


def save(report: PostgresReport, file: Path) -> None:
    """Write postgres.json: a line for each figure."""
    write(msgspec.json.encode(report), file)


def load(file: Path) -> PostgresReport | None:
    """Read postgres.json; None where nothing has been measured yet."""
    if not file.exists():
        return None
    return msgspec.json.decode(file.read_bytes(), type=PostgresReport)
