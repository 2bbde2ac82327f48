"""The report as pictures, each as PNG and as SVG."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from tests.bench.growth import EMPTY, NO_STORAGE
from tests.bench.plan import PEAK_CONNECTIONS
from tests.bench.reads import BARS, COUNTED_NS, PAGE_MS, SLOW, Bar
from tests.bench.results import Growth, Load, Read, Report, Spread
from tests.bench.tables import LABELS, number, of_kind

# Okabe and Ito's colours, which are told apart by all eyes.
COLOURS = {
    "service": "#0072B2",
    "ceiling": "#7F7F7F",
    "starlette": "#E69F00",
    "fastapi": "#D55E00",
}
MARKERS = {"service": "o", "ceiling": "x", "starlette": "s", "fastapi": "^"}
IDLE, BUSY, BAR = "#0072B2", "#D55E00", "#B00020"

STYLE: dict[Any, object] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 160,
    # Letters stay letters in an SVG, and the same figures give the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "webhook-service",
}
"""White, so that it reads on a dark page too."""

READ_COLUMNS = 4


def draw(report: Report, folder: Path) -> list[Path]:
    """Write the pictures that `report` has figures for; their files."""
    pictures: dict[str, Callable[[Report], Figure | None]] = {
        "throughput": _throughput,
        "latency": _latency,
        "cost": _cost,
        "ingest": _ingest,
        "reads": _reads,
    }
    written = []
    with mpl.rc_context(STYLE):
        for name, make in pictures.items():
            figure = make(report)
            if figure is not None:
                written += _write(figure, folder / name)
    return written


def _write(figure: Figure, stem: Path) -> list[Path]:
    files = [stem.with_suffix(suffix) for suffix in (".png", ".svg")]
    for file in files:
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files


def _throughput(report: Report) -> Figure | None:
    if not report.throughput:
        return None
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    _lines(axes, report.throughput, lambda load: load.requests_per_second)
    axes.set(title="Durable webhooks a second, by connections", ylabel="webhooks/s", yscale="log")
    _connections(axes, report)
    _decades(axes)
    figure.legend(loc="outside upper left", ncols=4, fontsize=9)
    _foot(figure, report, "throughput")
    return figure


def _latency(report: Report) -> Figure | None:
    if not report.throughput:
        return None
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    choices: dict[str, Callable[[Load], Spread]] = {
        "p50": lambda load: load.p50_ms,
        "p95": lambda load: load.p95_ms,
        "p99": lambda load: load.p99_ms,
    }
    for axes, (name, choose) in zip(panels, choices.items(), strict=True):
        _lines(axes, report.throughput, choose)
        axes.set(title=f"{name} of a webhook", yscale="log")
        _connections(axes, report)
        _decades(axes)
    panels[0].set_ylabel("milliseconds")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=9)
    _foot(figure, report, "throughput")
    return figure


def _lines(axes: Axes, loads: Sequence[Load], choose: Callable[[Load], Spread]) -> None:
    """A line for each server, with bars from the least to the most."""
    for target, label in LABELS.items():
        of_target = sorted(
            (load for load in loads if load.target == target), key=lambda load: load.connections
        )
        if of_target:
            _line(
                axes,
                [load.connections for load in of_target],
                [choose(load) for load in of_target],
                label=label,
                color=COLOURS[target],
                marker=MARKERS[target],
                linestyle="--" if target == "ceiling" else "-",
            )


def _line(
    axes: Axes,
    at: Sequence[float],
    figures: Sequence[Spread],
    color: str,
    marker: str,
    linestyle: str,
    label: str,
) -> None:
    medians = [figure.median for figure in figures]
    axes.plot(
        at,
        medians,
        color=color,
        marker=marker,
        linestyle=linestyle,
        label=label,
        linewidth=1.8,
        markersize=5,
    )
    axes.errorbar(at, medians, yerr=_errors(figures), fmt="none", ecolor=color, capsize=3)


def _errors(figures: Sequence[Spread]) -> tuple[list[float], list[float]]:
    """How far the least is below the median, and the most above it."""
    return (
        [max(0, figure.median - figure.least) for figure in figures],
        [max(0, figure.most - figure.median) for figure in figures],
    )


def _connections(axes: Axes, report: Report) -> None:
    at = sorted({load.connections for load in report.throughput})
    axes.set(xscale="log", xlabel="connections")
    axes.set_xticks(at, [str(number) for number in at])
    axes.xaxis.set_minor_locator(NullLocator())


def _cost(report: Report) -> Figure | None:
    loads = {
        load.target: load for load in report.throughput if load.connections == PEAK_CONNECTIONS
    }
    if not loads:
        return None
    wal = {found.target: found.wal_bytes for found in report.cost}
    panels: dict[str, dict[str, Spread | None]] = {
        "processor time, µs": {name: load.cpu_us for name, load in loads.items()},
        "written to storage, bytes": {
            name: load.written_bytes for name, load in loads.items() if load.stored_bytes
        },
        "into the write-ahead log before the answer, bytes": {
            name: wal.get(name) for name in loads
        },
        "kept in the database, bytes": {name: load.stored_bytes for name, load in loads.items()},
    }
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    for axes, (title, bars) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        _bars(axes, title, {name: value for name, value in bars.items() if value is not None})
    figure.suptitle(f"What a message costs, at {PEAK_CONNECTIONS} connections", fontweight="bold")
    _foot(figure, report, "cost")
    return figure


def _bars(axes: Axes, title: str, bars: dict[str, Spread]) -> None:
    names = list(bars)[::-1]
    figures = list(bars.values())[::-1]
    medians = [figure.median for figure in figures]
    drawn = axes.barh(
        [LABELS[name] for name in names],
        medians,
        xerr=_errors(figures),
        color=[COLOURS[name] for name in names],
        error_kw={"capsize": 3, "ecolor": "#333333"},
    )
    axes.bar_label(drawn, [f" {number(value)}" for value in medians], fontsize=9)
    axes.set_title(title, fontweight="normal")
    axes.set_xlim(0, max((figure.most for figure in figures), default=1) * 1.2)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(_plain())


def _ingest(report: Report) -> Figure | None:
    if report.growth is None:
        return None
    found = {one.messages: one for one in report.growth.ingest}
    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    axes = figure.subplots()
    sizes = [size for size in found if size > EMPTY]
    rates = [found[size].requests_per_second for size in sizes]
    label = "this service, onto so many messages"
    _line(axes, sizes, rates, color=IDLE, marker="o", linestyle="-", label=label)
    levels = ((EMPTY, "onto an empty database", IDLE), (NO_STORAGE, LABELS["ceiling"], "#7F7F7F"))
    for size, label, colour in levels:
        if size in found:
            level = found[size].requests_per_second.median
            axes.axhline(level, color=colour, linestyle="--", linewidth=1.4, label=label)
    axes.set(title="Ingest as the database grows", ylabel="webhooks/s")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.yaxis.set_major_formatter(_plain())
    _sizes(axes, sizes)
    axes.legend(loc="lower left")
    _foot(figure, report, "growth")
    return figure


def _reads(report: Report) -> Figure | None:
    if report.growth is None:
        return None
    names = [*BARS, SLOW]
    rows = len(names) // READ_COLUMNS + 1
    figure = Figure(figsize=(12, 2.1 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, READ_COLUMNS, sharex=True, sharey=True)
    for axes, name in zip(panels.flat, names, strict=False):
        _read(axes, report.growth, name)
    for axes in panels.flat[len(names) :]:
        axes.spines[:].set_visible(False)
        axes.grid(visible=False, which="both")
        axes.tick_params(which="both", left=False, bottom=False)
    for axes in panels[-1, :]:
        axes.set_xlabel("messages stored")
    for axes in panels[:, 0]:
        axes.set_ylabel("milliseconds")
    panels.flat[-1].legend(*panels.flat[0].get_legend_handles_labels(), loc="center")
    figure.suptitle("Reads as the database grows", fontweight="bold")
    _foot(figure, report, "growth", "medians")
    return figure


def _read(axes: Axes, growth: Growth, name: str) -> None:
    for beside, colour in (("idle", IDLE), ("ingest", BUSY)):
        found = of_kind(growth, name, beside)
        words = "idle" if beside == "idle" else "beside ingest"
        for percent, style in (("p50", ":"), ("p99", "-")):
            _read_line(axes, found, percent, label=f"{percent}, {words}", color=colour, style=style)
    sizes = [size.messages for size in growth.databases]
    if name in BARS:
        limits = [_limit(BARS[name], of_kind(growth, name, "idle").get(size)) for size in sizes]
        axes.plot(sizes, limits, color=BAR, linewidth=1, alpha=0.7, label="bar for p99, idle")
    axes.set_title(name, fontsize=9.5)
    axes.set_yscale("log")
    _decades(axes)
    _sizes(axes, sizes)
    axes.set_xlabel("")


def _read_line(
    axes: Axes, found: dict[int, Read], percent: str, label: str, color: str, style: str
) -> None:
    figures = {
        size: read.p50_ms if percent == "p50" else read.p99_ms for size, read in found.items()
    }
    drawn = {size: figure.median for size, figure in figures.items() if figure is not None}
    axes.plot(
        list(drawn),
        list(drawn.values()),
        color=color,
        linestyle=style,
        marker="o",
        markersize=3,
        label=label,
    )


def _limit(bar: Bar, read: Read | None) -> float:
    """What p99 may be, in milliseconds."""
    if bar.p99_ms is not None:
        return bar.p99_ms
    return PAGE_MS + (read.total or 0 if read else 0) * COUNTED_NS / 1e6


def _sizes(axes: Axes, sizes: Iterable[int]) -> None:
    words = {size: _short(size) for size in sizes}
    axes.set(xscale="log", xlabel="messages stored before")
    axes.set_xticks(list(words), list(words.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _short(size: int) -> str:
    return f"{size // 1_000_000}M" if size >= 1_000_000 else f"{size // 1_000}k"


def _decades(axes: Axes) -> None:
    """1, 10, 100 as one reads them, with lines at 2 and 5."""
    axes.yaxis.set_major_formatter(_plain())
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="minor", axis="y", color="#EEEEEE", linewidth=0.5)


def _plain() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")


def _foot(figure: Figure, report: Report, part: str, shown: str = "medians, least to most") -> None:
    """When and where this part was measured, and what of it is shown, small, below."""
    machine = report.machine
    when = report.measured_again.get(part, f"{report.began_at[:10]}, commit {report.commit}")
    words = f"{report.command}\n{when} · {machine['processor']}, {machine['cores']} cores · {shown}"
    figure.supxlabel(words, fontsize=7.5, color="#555555")
