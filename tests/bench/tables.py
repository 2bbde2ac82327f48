"""The report as Markdown."""

from collections.abc import Iterable, Sequence

from tests.bench.growth import EMPTY, NO_STORAGE, name_of
from tests.bench.plan import PEAK_CONNECTIONS
from tests.bench.quiet import QUIET_LOAD
from tests.bench.reads import BARS, PAGE_MS, SLOW, Bar
from tests.bench.results import Beside, Growth, Ingest, Load, Measured, Read, Report, Spread
from tests.bench.targets import TARGETS

TITLES = {
    "summary": "In short",
    "ceiling": "Against the ceiling",
    "throughput": "Webhooks, by connections",
    "cost": "What a message costs",
    "ingest": "Ingest, as the database grows",
    "reads idle": "Reads, as the database grows",
    "reads beside ingest": "The same reads beside ingest at half its peak",
    "ingest beside reads": "Ingest at half its peak beside reads",
    "databases": "The databases",
    "conditions": "Where, when and with what",
}
"""Of every table, by its name."""

LABELS = {target.name: target.label for target in TARGETS}
KEPT = "yes"

GROWTH_FROM = 100_000
"""Messages; the largest database is compared with that of so many."""


def render(report: Report) -> str:
    """Everything that was measured, as a page."""
    blocks = render_blocks(report)
    written = [f"## {title}\n\n{blocks[name]}" for name, title in TITLES.items() if blocks[name]]
    return "\n".join([f"# What `{report.command}` measured\n", *written])


def render_blocks(report: Report) -> dict[str, str]:
    """The tables by their names; empty where nothing was measured."""
    return {
        "summary": summary(report),
        "ceiling": ceiling(report),
        "throughput": throughput(report),
        "cost": cost(report),
        "ingest": ingest(report),
        "reads idle": reads(report, "idle"),
        "reads beside ingest": reads(report, "ingest"),
        "ingest beside reads": beside(report),
        "databases": databases(report),
        "conditions": conditions(report),
    }


def conditions(report: Measured, **more: str) -> str:
    """Where, when and with what."""
    rows = {
        "command": f"`{report.command}`, {report.seconds / 60:.1f} minutes",
        "when": report.began_at,
        "commit": report.commit,
        **report.machine,
        "4 KiB and fdatasync, µs": spread(report.sync_us),
        "load average before, after": ", ".join(f"{load:.1f}" for load in report.load_average),
        **more,
        **report.versions,
    }
    return table(["condition", ""], rows.items())


def summary(report: Report) -> str:
    """The figures that are asked for first."""
    rows = [*_summary_of_load(report), *_summary_of_ceiling(report), *_summary_of_growth(report)]
    return table(["what", "measured"], rows) + f"\n{source(report)}\n"


def source(report: Measured) -> str:
    """Command, date, machine and commit, whether something else was running, and what is newer."""
    processor, cores = report.machine["processor"], report.machine["cores"]
    busy = report.load_average[0]
    warning = f"; **on a busy machine** (load average {busy:.2f})" if busy > QUIET_LOAD else ""
    again = "".join(
        f" Measured again, `--parts {part}`: {when}."
        for part, when in report.measured_again.items()
    )
    return (
        f"`{report.command}` on {report.began_at[:10]}, {processor} with {cores} cores,"
        f" commit {report.commit}{warning}. Median (least to most) where there were several runs."
        f"{again}"
    )


def _summary_of_load(report: Report) -> Iterable[tuple[str, str]]:
    peak = {load.target: load for load in report.throughput if load.connections == PEAK_CONNECTIONS}
    if "service" not in peak:
        return
    service = peak["service"]
    rate = service.requests_per_second
    yield f"durable webhooks a second, {PEAK_CONNECTIONS} connections", spread(rate)
    yield "their p99, ms", spread(service.p99_ms)
    for target in ("starlette", "fastapi"):
        if target in peak:
            times = rate.median / peak[target].requests_per_second.median
            yield f"times what {LABELS[target]} takes", number(times)
    if report.ceiling is None and "ceiling" in peak:
        share_of_ceiling = rate.median / peak["ceiling"].requests_per_second.median
        yield "share of the ceiling, which stores nothing", number(share_of_ceiling)
    yield "processor time for a message, µs", spread(service.cpu_us)
    yield "written to storage for a message, bytes", spread(service.written_bytes)


def _summary_of_ceiling(report: Report) -> Iterable[tuple[str, str]]:
    found = report.ceiling
    if found is not None:
        yield "share of the ceiling, which stores nothing", spread(found.ratio)
        yield "start to ready, empty database, ms", spread(found.service.start_ms)
        memory = f"memory after {found.memory_messages:,} messages, MiB"
        yield memory, number(found.memory_mebibytes)


def _summary_of_growth(report: Report) -> Iterable[tuple[str, str]]:
    growth = report.growth
    if growth is None:
        return
    size = growth.databases[-1].messages
    found = {one.messages: one for one in growth.ingest}
    if size in found:
        yield (
            f"webhooks a second onto {size:,} messages, as a share of those onto none",
            share(found[size], found.get(EMPTY)),
        )
    memory = [one.resident_mebibytes for one in growth.beside if one.messages == size]
    if memory:
        yield f"memory at {size:,} messages, sent and read at once, MiB", number(max(memory))
    idle = [read for read in growth.reads if read.messages == size and read.beside == "idle"]
    kept = [read for read in idle if _is_kept(growth, read)]
    yield (
        f"kinds of read that keep to their bar at {size:,} messages",
        f"{len(kept)} of {len(idle)}",
    )


def _is_kept(growth: Growth, read: Read) -> bool:
    small = of_kind(growth, read.name, "idle").get(growth_from(sizes_of(growth)))
    return verdict(BARS[read.name], small, read) == KEPT


def ceiling(report: Report) -> str:
    """The ratio, pair by pair."""
    found = report.ceiling
    if found is None:
        return ""
    pair = (found.ceiling, found.service)
    rows = [
        ["webhooks/s", *(spread(load.requests_per_second) for load in pair)],
        ["p50, ms", *(spread(load.p50_ms) for load in pair)],
        ["p99, ms", *(spread(load.p99_ms) for load in pair)],
        ["CPU a webhook, µs", *(spread(load.cpu_us) for load in pair)],
        ["start to ready, ms", *(spread(load.start_ms) for load in pair)],
        ["ratio to the ceiling", "1", spread(found.ratio)],
        [
            f"memory after {found.memory_messages:,} messages, MiB",
            "",
            number(found.memory_mebibytes),
        ],
    ]
    head = [f"{found.connections} connections", LABELS["ceiling"], LABELS["service"]]
    runs = len(found.ratio.runs)
    return table(head, rows) + f"\nMedian (least to most) of {runs} runs of {found.seconds} s.\n"


def throughput(report: Report) -> str:
    """Every server at every number of connections."""
    if not report.throughput:
        return ""
    head = ["connections", "server", "webhooks/s", "p50, ms", "p95, ms", "p99, ms"]
    ordered = sorted(report.throughput, key=lambda load: load.connections)
    rows = [_load_row(load) for load in ordered]
    rows += [
        [str(refused.connections), LABELS[refused.target], f"no figure: {refused.errors} errors"]
        + [""] * 3
        for refused in report.refused
    ]
    runs = len(ordered[0].requests_per_second.runs)
    return (
        table(head, rows) + f"\nMedian (least to most) of {runs} runs of {report.run_seconds} s.\n"
    )


def _load_row(load: Load) -> list[str]:
    latencies = (load.p50_ms, load.p95_ms, load.p99_ms)
    return [
        str(load.connections),
        LABELS[load.target],
        spread(load.requests_per_second),
        *map(spread, latencies),
    ]


def cost(report: Report) -> str:
    """Processor time and bytes of a message."""
    wal = {found.target: found for found in report.cost}
    rows = [
        [
            LABELS[load.target],
            spread(load.cpu_us),
            spread(wal[load.target].wal_bytes) if load.target in wal else "",
            spread(wal[load.target].index_wal_bytes) if load.target in wal else "",
            spread(load.written_bytes),
            spread(load.stored_bytes),
            spread(load.settle_seconds),
        ]
        for load in report.throughput
        if load.connections == PEAK_CONNECTIONS
    ]
    head = [
        f"{PEAK_CONNECTIONS} connections",
        "CPU, µs",
        "logged before the answer, bytes",
        "logged behind it, bytes",
        "to storage in all, bytes",
        "kept, bytes",
        "settled after, s",
    ]
    return table(head, rows) if rows else ""


def ingest(report: Report) -> str:
    """The rate at every size."""
    if report.growth is None:
        return ""
    found = {one.messages: one for one in report.growth.ingest}
    head = ["messages stored before", "webhooks/s", "of the empty database's", "of the ceiling's"]
    head += ["p99, ms", "CPU, µs", "to storage, bytes", "settled after, s", "memory, MiB"]
    head += ["start to ready, ms"]
    rows = [
        [
            name_of(one.messages),
            spread(one.requests_per_second),
            share(one, found.get(EMPTY)),
            share(one, found.get(NO_STORAGE)),
            spread(one.p99_ms),
            spread(one.cpu_us),
            spread(one.written_bytes),
            spread(one.settle_seconds),
            spread(one.resident_mebibytes),
            spread(one.start_ms),
        ]
        for one in found.values()
    ]
    return table(head, rows)


def share(one: Ingest, other: Ingest | None) -> str:
    """A rate as a share of another's, round by round."""
    if other is None:
        return ""
    both = (one.requests_per_second.runs, other.requests_per_second.runs)
    if len(both[0]) != len(both[1]):  # some runs are no figure
        return number(one.requests_per_second.median / other.requests_per_second.median)
    return spread(Spread.of([rate / of for rate, of in zip(*both, strict=True)]))


def reads(report: Report, beside: str) -> str:
    """Every kind of read at every size, and whether it keeps to its bar."""
    if report.growth is None:
        return ""
    sizes = sizes_of(report.growth)
    names = [*BARS, SLOW]
    wanted = max(read.requests for read in report.growth.reads if read.name in BARS)
    rows = [
        row
        for name in names
        if (row := _read_row(name, sizes, of_kind(report.growth, name, beside), wanted))
    ]
    if beside != "idle":
        rows = [row[:-2] for row in rows]
    head = ["p50 / p99, ms", *(f"{size:,}" for size in sizes), "growth, p50 / p99", "bar", "kept"]
    note = (
        f"\n{wanted:,} requests of each kind and size; where a slow one was asked less often, the"
        " cell says how often.\n"
    )
    return table(head if beside == "idle" else head[:-2], rows) + note


def sizes_of(growth: Growth) -> list[int]:
    """How many messages the databases hold, the smallest first."""
    return [size.messages for size in growth.databases]


def of_kind(growth: Growth, name: str, beside: str) -> dict[int, Read]:
    """One kind of read, by the number of messages."""
    return {
        read.messages: read for read in growth.reads if read.name == name and read.beside == beside
    }


def _read_row(name: str, sizes: Sequence[int], found: dict[int, Read], wanted: int) -> list[str]:
    if not found:
        return []
    cells = [_read_cell(found.get(size), wanted) for size in sizes]
    small, large = found.get(growth_from(sizes)), found.get(sizes[-1])
    factors = growth_factors(small, large)
    growth = "" if factors is None else f"{factors[0]:.1f} / {factors[1]:.1f}"
    bar = BARS.get(name)
    kept = "" if bar is None or large is None else verdict(bar, small, large)
    return [name, *cells, growth, _describe(bar), kept]


def growth_from(sizes: Sequence[int]) -> int:
    """The smaller of the two databases that growth is a factor between."""
    return GROWTH_FROM if GROWTH_FROM in sizes[:-1] else sizes[0]


def growth_factors(small: Read | None, large: Read | None) -> tuple[float, float] | None:
    """Of p50 and of p99."""
    if small is None or large is None:
        return None
    found = [
        of_large.median / of_small.median
        for of_small, of_large in ((small.p50_ms, large.p50_ms), (small.p99_ms, large.p99_ms))
        if of_small is not None and of_large is not None
    ]
    return (found[0], found[1]) if len(found) == 2 else None


def verdict(bar: Bar, small: Read | None, large: Read) -> str:
    """Whether a read of the largest database keeps to its bar, or by how much it does not."""
    if large.refused or large.p99_ms is None:
        return f"**no**: {large.refused} of {large.requests} refused"
    missed = []
    if bar.p99_ms is not None and large.p99_ms.median > bar.p99_ms:
        missed.append("p99")
    factors = growth_factors(small, large)
    if bar.growth is not None and factors is not None and factors[1] > bar.growth:
        missed.append("growth")
    if bar.counted_ns is not None and (large.p99_uncounted_ms or 0) > PAGE_MS:
        missed.append(f"{large.ns_per_counted or 0:,.0f} ns a message")
    return f"**no**: {', '.join(missed)}" if missed else KEPT


def _describe(bar: Bar | None) -> str:
    if bar is None:
        return ""
    parts = []
    if bar.p99_ms is not None:
        parts.append(f"{bar.p99_ms:g} ms")
    if bar.growth is not None:
        parts.append(f"{bar.growth:g}x")
    if bar.counted_ns is not None:
        parts.append(f"{PAGE_MS:g} ms and {bar.counted_ns:g} ns a message")
    return ", ".join(parts)


def _read_cell(read: Read | None, wanted: int) -> str:
    if read is None:
        return ""
    if read.p50_ms is None or read.p99_ms is None:
        return f"refused after {read.max_ms:,.0f}"
    fewer = f" of {read.requests}" if read.requests < wanted else ""
    refused = f" ({read.refused} refused)" if read.refused else ""
    return f"{number(read.p50_ms.median)} / {number(read.p99_ms.median)}{fewer}{refused}"


def beside(report: Report) -> str:
    """The ingest that went on while others read."""
    if report.growth is None or not report.growth.beside:
        return ""
    words = {"none": "nothing", "mixed": "every read above", "slow": SLOW}
    alone = {one.messages: one for one in report.growth.beside if one.reads == "none"}
    head = ["messages", "beside", "wanted/s", "webhooks/s", "p50, ms", "p99, ms"]
    head += ["p99 to that beside nothing", "slowest, ms", "memory, MiB", "not 200"]
    rows = [
        [
            f"{one.messages:,}",
            words[one.reads],
            number(one.wanted_per_second),
            spread(one.requests_per_second),
            spread(one.p50_ms),
            spread(one.p99_ms),
            spread(_p99_growth(one, alone.get(one.messages))),
            number(one.max_ms),
            number(one.resident_mebibytes),
            f"{one.errors:,}",
        ]
        for one in report.growth.beside
    ]
    return table(head, rows)


def _p99_growth(one: Beside, alone: Beside | None) -> Spread | None:
    """The p99 as a multiple of that beside nothing, round by round, where both took turns."""
    if alone is None or one.reads != "slow":
        return None
    rounds = zip(one.p99_ms.runs, alone.p99_ms.runs, strict=True)
    return Spread.of([p99_ms / alone_ms for p99_ms, alone_ms in rounds])


def databases(report: Report) -> str:
    """What is stored."""
    if report.growth is None:
        return ""
    head = ["messages", "database, MB", "index, MB", "bytes a message", "built in, s"]
    rows = [
        [
            f"{size.messages:,}",
            number(size.main_bytes / 1e6),
            number(size.index_bytes / 1e6),
            number((size.main_bytes + size.index_bytes) / size.messages),
            number(size.build_seconds),
        ]
        for size in report.growth.databases
    ]
    return table(head, rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, its first column to the left and the others to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *rows))


def spread(figure: Spread | None) -> str:
    """`median (least to most)`; the median alone where there was one run."""
    if figure is None:
        return ""
    if len(figure.runs) == 1:
        return number(figure.median)
    return f"{number(figure.median)} ({number(figure.least)} to {number(figure.most)})"


def number(value: float) -> str:
    """Three digits that mean something, and no more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
