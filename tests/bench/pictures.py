"""The pictures of a report."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.bench.growth import BUSY, EMPTY, IDLE, NO_STORAGE, Growth
from tests.bench.report import LABELS, Report
from tests.bench.throughput import Load
from tests.bench.traffic.reads import BARS, SLOW
from tests.measure.figures import Spread
from tests.measure.plots import BLUE, GREY, ORANGE, RED, Line, draw

COLOURS = {"service": BLUE, "ceiling": GREY, "starlette": ORANGE, "fastapi": RED}


def draw_all(report: Report, folder: Path) -> list[Path]:
    """Draw what the report has figures for; gives the files."""
    written: list[Path] = []
    if report.throughput:
        written += _draw_throughput(report, folder)
    if report.growth is not None:
        written += _draw_growth(report, report.growth, folder)
    return written


def _draw_throughput(report: Report, folder: Path) -> Iterable[Path]:
    ticks = {load.connections: str(load.connections) for load in report.throughput}
    draw_ = partial(draw, ticks=ticks, x_label="connections", foot=_foot(report, "throughput"))

    def lines(name: str) -> list[Line]:
        return [
            Line(
                label,
                {load.connections: getattr(load, name) for load in _of(report.throughput, target)},
                COLOURS[target],
                "--" if target == "ceiling" else "-",
            )
            for target, label in LABELS.items()
        ]

    title = "Durable webhooks a second, by connections"
    panels = {"": lines("requests_per_second")}
    yield draw_(folder / "throughput.png", title, panels, y_label="webhooks/s")
    panels = {name: lines(f"{name}_ms") for name in ("p50", "p99")}
    title = "Latency of a webhook, by connections"
    yield draw_(folder / "latency.png", title, panels, y_label="milliseconds", columns=2)


def _draw_growth(report: Report, growth: Growth, folder: Path) -> Iterable[Path]:
    sizes = [size.messages for size in growth.databases]
    ticks = {size: _short(size) for size in sizes}
    x_label = "messages stored before"
    draw_ = partial(draw, ticks=ticks, x_label=x_label, foot=_foot(report, "growth"))
    rates = {one.messages: one.requests_per_second for one in growth.ingest}
    level = {name: dict.fromkeys(sizes, rates[name].median) for name in (EMPTY, NO_STORAGE)}
    lines = [
        Line("this service, onto so many messages", {size: rates[size] for size in sizes}, BLUE),
        Line("onto an empty database", level[EMPTY], BLUE, "--"),
        Line(LABELS["ceiling"], level[NO_STORAGE], GREY, "--"),
    ]
    title = "Ingest as the database grows"
    yield draw_(folder / "ingest.png", title, {"": lines}, y_label="webhooks/s", is_log=False)
    panels = {name: _lines_of_read(growth, name) for name in [*BARS, SLOW]}
    title = "Reads as the database grows"
    yield draw_(folder / "reads.png", title, panels, y_label="milliseconds", columns=4)


def _lines_of_read(growth: Growth, name: str) -> list[Line]:
    lines = []
    for beside, words, colour in ((IDLE, "idle", BLUE), (BUSY, "beside ingest", RED)):
        found = [read for read in growth.reads if (read.name, read.beside) == (name, beside)]
        p50 = {read.messages: _median(read.p50_ms) for read in found}
        p99 = {read.messages: _median(read.p99_ms) for read in found}
        lines += [Line(f"p50, {words}", p50, colour, ":"), Line(f"p99, {words}", p99, colour)]
    return lines


def _of(loads: Iterable[Load], target: str) -> list[Load]:
    return sorted(
        (load for load in loads if load.target == target), key=lambda load: load.connections
    )


def _median(spread: Spread | None) -> float | None:
    return None if spread is None else spread.median


def _short(size: int) -> str:
    return f"{size // 1_000_000}M" if size >= 1_000_000 else f"{size // 1_000}k"


def _foot(report: Report, part: str) -> str:
    """When and where this part was measured."""
    when = report.measured_again.get(part, f"{report.began_at[:10]}, commit {report.commit}")
    machine = f"{report.machine['processor']}, {report.machine['cores']} cores"
    return f"{report.command}\n{when} · {machine} · median, least to most"
