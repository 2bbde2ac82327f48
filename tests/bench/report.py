"""What `just bench` measured: the file of results, and its tables."""

from collections.abc import Iterable

import msgspec

from tests.bench.event_reads import EventReads
from tests.bench.growth import BUSY, EMPTY, IDLE, NO_STORAGE, Growth, Ingest
from tests.bench.plan import PEAK_CONNECTIONS
from tests.bench.servers.processes import EVENTS, TARGETS
from tests.bench.throughput import Load
from tests.bench.traffic.reads import BARS, EVENT_BARS, SLOW, STATS, STATS_BUSY_MS
from tests.bench.traffic.sampling import Read
from tests.measure.figures import Spread
from tests.measure.results import Measured
from tests.measure.tables import Columns, number, table, table_of

LABELS = {target.name: target.label for target in (*TARGETS, EVENTS)}
EVENTS_BAR = 0.75
READS_BESIDE = {"none": "nothing", "mixed": "every read above", "slow": SLOW}


class Report(Measured):
    """All that `just bench full` finds."""

    run_seconds: int
    """Length of a run of wrk."""
    ceiling: list[Load] = msgspec.field(default_factory=list)
    """The ceiling and the service, at the peak."""
    events: list[Load] = msgspec.field(default_factory=list)
    """The service under messages and under events, at the peak."""
    throughput: list[Load] = msgspec.field(default_factory=list)
    growth: Growth | None = None
    event_reads: EventReads | None = None


def render(report: Report) -> str:
    """Everything that was measured, as a page."""
    blocks = _tables(report)
    written = [f"## {title.capitalize()}\n\n{block}" for title, block in blocks.items() if block]
    return "\n".join([f"# What `{report.command}` measured\n", *written])


def render_blocks(report: Report) -> dict[str, str]:
    """What pages quote, by its name; empty if nothing was measured."""
    return {"claims": _claims(report), **_tables(report)}


def _tables(report: Report) -> dict[str, str]:
    growth = report.growth or Growth([], [], [], [])
    return {
        "summary": _summary(report),
        "ceiling": _ceiling(report),
        "throughput": _throughput(report),
        "cost": _cost(report),
        "ingest": _ingest(growth),
        "reads idle": _reads(growth, IDLE),
        "reads beside ingest": _reads(growth, BUSY),
        "ingest beside reads": _beside(growth),
        "databases": _databases(growth),
        "reads of events": _reads_of_events(report.event_reads),
        "conditions": report.conditions(),
    }


def _claims(report: Report) -> str:
    """The README's lines."""
    peak, growth = _at_peak(report.throughput), report.growth
    if "service" not in peak or "fastapi" not in peak or not report.ceiling or growth is None:
        return ""
    rate = peak["service"].requests_per_second
    times = Spread.of_ratios(rate, peak["fastapi"].requests_per_second)
    size, share = _share_of_largest(growth)
    return (
        f"- **It is fast with every commit synced.** {number(rate.median)} webhooks a second on"
        f" {report.machine['cores']} cores:\n  {number(_ratio(report.ceiling).median)} of the same"
        f" server without storage, and {number(times.median)} times the usual {LABELS['fastapi']}"
        " service:\n  `just bench full` ([figures](docs/speed.md)).\n"
        f"- **It stays fast.** With {size:,} messages stored it takes {number(share.median)} of the"
        " webhooks that an empty\n"
        f"  database takes, and {_kept(growth, size)} kinds of read keep their limit:"
        " `just bench full --parts growth`.\n"
    )


def _summary(report: Report) -> str:
    rows = [*_summary_of_load(report), *_summary_of_growth(report.growth)]
    runs = "Median (least to most) where there were several runs."
    return table(["what", "measured"], rows) + f"\n{report.source()} {runs}\n"


def _summary_of_load(report: Report) -> Iterable[tuple[str, object]]:
    peak = _at_peak(report.throughput)
    if "service" in peak:
        service = peak["service"]
        rate = service.requests_per_second
        yield f"durable webhooks a second, {PEAK_CONNECTIONS} connections", rate
        yield "their p99, ms", service.p99_ms
        for other in ("starlette", "fastapi"):
            if other in peak:
                times = Spread.of_ratios(rate, peak[other].requests_per_second)
                yield f"times what {LABELS[other]} takes", times.median
        yield "processor time for a message, µs", service.cpu_us
        yield "written to storage for a message, bytes", service.written_bytes
    if report.ceiling:
        yield "share of the ceiling, which stores nothing", _ratio(report.ceiling)
        yield "start to ready, empty database, ms", _at_peak(report.ceiling)["service"].start_ms
    if report.events:
        share = _ratio(report.events, "events", "service")
        yield f"events of 1 KB from GitHub, as a share of messages (bar: {EVENTS_BAR})", share


def _summary_of_growth(growth: Growth | None) -> Iterable[tuple[str, object]]:
    if growth is None:
        return
    size, share = _share_of_largest(growth)
    yield f"webhooks a second onto {size:,} messages, as a share of those onto none", share
    memory = max(one.resident_mebibytes for one in growth.beside if one.messages == size)
    yield f"memory at {size:,} messages, sent and read at once, MiB", memory
    yield f"kinds of read that keep to their bar at {size:,} messages", _kept(growth, size)
    stats = _of_kind(growth, STATS, BUSY)[size].p50_ms
    yield f"`/stats` beside ingest at {size:,} messages, p50, ms (bar: {STATS_BUSY_MS})", stats


def _share_of_largest(growth: Growth) -> tuple[int, Spread]:
    """The largest database, and its webhooks a second as a share of the empty one's."""
    size = growth.databases[-1].messages
    ingest = {one.messages: one for one in growth.ingest}
    return size, _share(ingest[size], ingest[EMPTY])


def _kept(growth: Growth, size: int) -> str:
    kept = [read.is_kept for read in growth.reads if (read.messages, read.beside) == (size, IDLE)]
    return f"{sum(map(bool, kept))} of {len(kept)}"


def _ceiling(report: Report) -> str:
    peak = _at_peak(report.ceiling)
    if not peak:
        return ""
    pair = (peak["ceiling"], peak["service"])
    rows: list[list[object]] = [
        [title, *(getattr(load, name) for load in pair)]
        for title, name in {
            "webhooks/s": "requests_per_second",
            "p50, ms": "p50_ms",
            "p99, ms": "p99_ms",
            "CPU a webhook, µs": "cpu_us",
            "start to ready, ms": "start_ms",
            "memory, MiB": "resident_mebibytes",
        }.items()
    ]
    rows.append(["ratio to the ceiling", 1, _ratio(report.ceiling)])
    head = [f"{PEAK_CONNECTIONS} connections", LABELS["ceiling"], LABELS["service"]]
    return table(head, rows) + _runs(report, report.ceiling)


def _throughput(report: Report) -> str:
    columns: Columns = {
        "connections": "connections",
        "server": _label,
        "webhooks/s": "requests_per_second",
        "p50, ms": "p50_ms",
        "p99, ms": "p99_ms",
    }
    return table_of(report.throughput, columns) + _runs(report, report.throughput)


def _cost(report: Report) -> str:
    columns: Columns = {
        f"{PEAK_CONNECTIONS} connections": _label,
        "CPU, µs": "cpu_us",
        "to storage, bytes": "written_bytes",
        "kept, bytes": "stored_bytes",
        "settled after, s": "settle_seconds",
    }
    return table_of(_at_peak(report.throughput).values(), columns)


def _ingest(growth: Growth) -> str:
    found = {one.messages: one for one in growth.ingest}
    columns: Columns = {
        "messages stored before": lambda one: name_of(one.messages),
        "webhooks/s": "requests_per_second",
        "of the empty database's": lambda one: _share(one, found[EMPTY]),
        "of the ceiling's": lambda one: _share(one, found[NO_STORAGE]),
        "p99, ms": "p99_ms",
        "CPU, µs": "cpu_us",
        "to storage, bytes": "written_bytes",
        "settled after, s": "settle_seconds",
        "memory, MiB": "resident_mebibytes",
        "start to ready, ms": "start_ms",
    }
    return table_of(growth.ingest, columns)


def _reads(growth: Growth, beside: str) -> str:
    sizes = [size.messages for size in growth.databases]
    wanted = max((read.requests for read in growth.reads), default=0)
    head = ["p50 / p99, ms", *(f"{size:,}" for size in sizes)]
    rows = []
    for name in [*BARS, SLOW]:
        found = _of_kind(growth, name, beside)
        if found:
            row = [name, *(_read_cell(found.get(size), wanted) for size in sizes)]
            rows.append([*row, BARS[name], found[sizes[-1]].is_kept] if beside == IDLE else row)
    note = (
        f"\n{wanted:,} requests of each kind and size; where a slow one was asked less often, the"
        " cell says how often.\n"
    )
    return table([*head, "bar", "kept"] if beside == IDLE else head, rows) + (note if rows else "")


def _read_cell(read: Read | None, wanted: int) -> str:
    if read is None:
        return ""
    if read.p50_ms is None or read.p99_ms is None:
        return f"refused after {read.max_ms:,.0f}"
    fewer = f" of {read.requests}" if read.requests < wanted else ""
    refused = f" ({read.refused} refused)" if read.refused else ""
    return f"{number(read.p50_ms.median)} / {number(read.p99_ms.median)}{fewer}{refused}"


def _beside(growth: Growth) -> str:
    alone = {one.messages: one.p99_ms for one in growth.beside if one.reads == "none"}
    columns: Columns = {
        "messages": "messages",
        "beside": lambda one: READS_BESIDE[one.reads],
        "wanted/s": "wanted_per_second",
        "webhooks/s": "requests_per_second",
        "p50, ms": "p50_ms",
        "p99, ms": "p99_ms",
        "p99 to that beside nothing": lambda one: (
            Spread.of_ratios(one.p99_ms, alone[one.messages]) if one.reads == "slow" else None
        ),
        "slowest, ms": "max_ms",
        "memory, MiB": "resident_mebibytes",
        "not 200": "errors",
    }
    return table_of(growth.beside, columns)


def _databases(growth: Growth) -> str:
    columns: Columns = {
        "messages": "messages",
        "database, MB": lambda size: size.main_bytes / 1e6,
        "index, MB": lambda size: size.index_bytes / 1e6,
        "bytes a message": lambda size: (size.main_bytes + size.index_bytes) / size.messages,
        "built in, s": "build_seconds",
    }
    return table_of(growth.databases, columns)


def _reads_of_events(measured: EventReads | None) -> str:
    if measured is None:
        return ""
    found = {(read.name, read.messages): read for read in measured.reads}
    sizes = [size.events for size in measured.databases]
    wanted = max(read.requests for read in measured.reads)
    rows = [
        [
            name,
            *(_read_cell(found[name, size], wanted) for size in sizes),
            EVENT_BARS[name],
            found[name, sizes[-1]].is_kept,
        ]
        for name in EVENT_BARS
    ]
    stored = [f"{size.bytes / size.events:,.0f} bytes an event" for size in measured.databases]
    rows.append(["the database", *stored, "", ""])
    return table(["p50 / p99, ms", *(f"{size:,}" for size in sizes), "bar", "kept"], rows)


def name_of(size: int) -> str:
    """A database, in words."""
    return {NO_STORAGE: "no storage", EMPTY: "empty"}.get(size, f"{size:,} messages")


def _label(load: Load) -> str:
    return LABELS[load.target]


def _at_peak(loads: Iterable[Load]) -> dict[str, Load]:
    return {load.target: load for load in loads if load.connections == PEAK_CONNECTIONS}


def _of_kind(growth: Growth, name: str, beside: str) -> dict[int, Read]:
    """One kind of read, by the number of messages."""
    return {
        read.messages: read for read in growth.reads if (read.name, read.beside) == (name, beside)
    }


def _ratio(pair: Iterable[Load], one: str = "service", other: str = "ceiling") -> Spread:
    peak = _at_peak(pair)
    return Spread.of_ratios(peak[one].requests_per_second, peak[other].requests_per_second)


def _share(one: Ingest, other: Ingest) -> Spread:
    return Spread.of_ratios(one.requests_per_second, other.requests_per_second)


def _runs(report: Report, loads: list[Load]) -> str:
    if not loads:
        return ""
    count = len(loads[0].requests_per_second.runs)
    return f"\nMedian (least to most) of {count} runs of {report.run_seconds} s.\n"
