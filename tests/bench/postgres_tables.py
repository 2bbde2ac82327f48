"""What `just bench postgres` measured, as Markdown."""

from collections.abc import Iterable, Sequence

from tests.bench.postgres_plan import COMMIT_SECONDS, CONNECTIONS, INSTANCES
from tests.bench.postgres_requests import DIFFERENT, ONE, ZIPF
from tests.bench.postgres_results import POSTGRES, SQLITE, PostgresReport, Rate
from tests.bench.reads import BARS
from tests.bench.results import Read, Spread
from tests.bench.tables import KEPT, conditions, number, source, spread, table

UNMEASURED = "Not measured yet.\n"

READS_MAX = 2.0
"""How many times SQLite's time a read may take."""

INGEST = {
    "sqlite": "this service on SQLite",
    "trigrams": "this service on PostgreSQL 17, with pg_trgm",
    "plain": "this service on PostgreSQL 18, without",
    "fastapi": "FastAPI + asyncpg on PostgreSQL 17",
}
PROCESSES = {
    "1": "1 process",
    "2": "2 processes",
    "1 waiting": f"1 process, commits of {COMMIT_SECONDS * 1_000:g} ms that are only waited for",
    "2 waiting": "2 processes, likewise",
}
SENDERS = {
    ONE: "one sender for all",
    ZIPF: "100,000 senders by Zipf's law",
    DIFFERENT: "another sender for each message",
}

RATIOS = (
    ("PostgreSQL 17 with all indexes, against SQLite", "ingest", "trigrams", "sqlite", 1.0),
    ("PostgreSQL 18 without an index of texts, against SQLite", "ingest", "plain", "sqlite", 1.0),
    ("one process, against FastAPI + asyncpg", "ingest", "trigrams", "fastapi", 4.0),
    ("two processes against one", "workers", "2", "1", 1.0),
    ("the same, where commits are only waited for", "workers", "2 waiting", "1 waiting", 1.7),
    ("one sender for all, against all different", "senders", ONE, DIFFERENT, None),
)
"""What is compared, the list, both names in it, and the least that the ratio should be."""


def render(report: PostgresReport) -> str:
    """Everything that was measured, as a page."""
    blocks = render_blocks(report)
    written = [f"## {name}\n\n{block}" for name, block in blocks.items()]
    return "\n".join([f"# What `{report.command}` measured\n", *written])


def render_blocks(report: PostgresReport | None) -> dict[str, str]:
    """The tables by their names."""
    makers = {
        "summary": summary,
        "ingest": ingest,
        "batches": batches,
        "workers": workers,
        "senders": senders,
        "reads": reads,
        "conditions": _conditions,
    }
    return {name: (make(report) if report else "") or UNMEASURED for name, make in makers.items()}


def summary(report: PostgresReport) -> str:
    """The ratios that are held to a bar."""
    rows = [*_ratios(report), *_summary_of_reads(report)]
    return table(["what", "measured", "bar", "kept"], rows) + f"\n{source(report)}\n"


def _ratios(report: PostgresReport) -> Iterable[Sequence[str]]:
    for words, part, name, other, least in RATIOS:
        rates = {rate.name: rate for rate in getattr(report, part)}
        if name in rates and other in rates:
            found = ratio(rates[name], rates[other])
            bar = "" if least is None else f"at least {least:g}"
            yield f"{words}, webhooks/s", spread(found), bar, verdict(found, least)


def verdict(found: Spread, least: float | None) -> str:
    """Whether the median keeps to a bar, where there is one."""
    if least is None:
        return ""
    return KEPT if found.median >= least else "**no**"


def ratio(one: Rate, other: Rate) -> Spread:
    """Of two rates, round by round."""
    both = zip(one.requests_per_second.runs, other.requests_per_second.runs, strict=True)
    return Spread.of([rate / of for rate, of in both])


def _summary_of_reads(report: PostgresReport) -> Iterable[Sequence[str]]:
    pairs = _pairs(report)
    if pairs:
        kept = [pair for pair in pairs if read_verdict(*pair) == KEPT]
        words = f"kinds of read at {pairs[0][0].messages:,} messages within {READS_MAX:g}x SQLite's"
        bar = f"{len(pairs)} of {len(pairs)}"
        is_kept = KEPT if len(kept) == len(pairs) else "**no**"
        yield f"{words} p50 and p99", f"{len(kept)} of {len(pairs)}", bar, is_kept


def ingest(report: PostgresReport) -> str:
    """Every server, and what it cost."""
    return _rates(f"{CONNECTIONS} connections", report.ingest, INGEST)


def batches(report: PostgresReport) -> str:
    """By the number of batches on their way."""
    names = {rate.name: rate.name for rate in report.batches}
    return _rates("batches in flight", report.batches, names)


def workers(report: PostgresReport) -> str:
    """By the number of processes."""
    return _rates("processes", report.workers, PROCESSES)


def senders(report: PostgresReport) -> str:
    """By whose the messages are."""
    return _rates(f"{INSTANCES} instances", report.senders, SENDERS)


def _rates(title: str, rates: Sequence[Rate], names: dict[str, str]) -> str:
    if not rates:
        return ""
    head = [title, "webhooks/s", "p50, ms", "p99, ms", "CPU of the service, µs"]
    head += ["CPU of PostgreSQL, µs", "behind at the end", "caught up in, s"]
    rows = [
        [
            names[rate.name],
            *map(spread, (rate.requests_per_second, rate.p50_ms, rate.p99_ms, rate.cpu_us)),
            *map(spread, (rate.server_cpu_us, rate.tail_messages, rate.drain_seconds)),
        ]
        for rate in rates
    ]
    return table(head, rows)


def reads(report: PostgresReport) -> str:
    """Every kind of read on both databases."""
    if report.built is None:
        return ""
    rows = [
        [
            sqlite.name,
            *(f"{number(p50)} / {number(p99)}" for p50, p99 in map(_times, (sqlite, postgres))),
            " / ".join(map(number, _factors(sqlite, postgres))),
            read_verdict(sqlite, postgres),
        ]
        for sqlite, postgres in _pairs(report)
    ]
    built, requests = report.built, max(read.requests for read in report.reads)
    note = (
        f"\n{built.messages:,} messages, {built.database_bytes / 1e6:,.0f} MB on PostgreSQL,"
        f" built in {built.build_seconds:.0f} s; at most {requests:,} requests"
        " of each kind.\n"
    )
    return table(["p50 / p99, ms", "SQLite", "PostgreSQL", "times", "kept"], rows) + note


def _pairs(report: PostgresReport) -> list[tuple[Read, Read]]:
    found = {(read.beside, read.name): read for read in report.reads}
    return [
        (found[SQLITE, name], found[POSTGRES, name]) for name in BARS if (SQLITE, name) in found
    ]


def _times(read: Read) -> tuple[float, float]:
    """p50 and p99; that of what was refused where there is nothing else."""
    p50, p99 = read.p50_ms, read.p99_ms
    return (p50.median if p50 else read.max_ms, p99.median if p99 else read.max_ms)


def _factors(sqlite: Read, postgres: Read) -> list[float]:
    return [of / one for one, of in zip(_times(sqlite), _times(postgres), strict=True)]


def read_verdict(sqlite: Read, postgres: Read) -> str:
    """Whether both percentiles keep to the bar."""
    if postgres.refused:
        return f"**no**: {postgres.refused} of {postgres.requests} refused"
    slow = [
        name
        for name, times in zip(("p50", "p99"), _factors(sqlite, postgres), strict=True)
        if times > READS_MAX
    ]
    return f"**no**: {', '.join(slow)}" if slow else KEPT


def _conditions(report: PostgresReport) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in report.settings.items())
    return conditions(report, **{"PostgreSQL's settings": settings})
