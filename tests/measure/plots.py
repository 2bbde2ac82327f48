"""Figures as pictures: panels of lines, over a logarithmic axis."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from tests.measure.figures import Spread

# Okabe and Ito's colours, which all eyes can tell apart.
BLUE, GREY, ORANGE, RED = "#0072B2", "#7F7F7F", "#E69F00", "#D55E00"

STYLE: dict[Any, object] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    # White, so that it can be read on a dark page, too.
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}


class Line(NamedTuple):
    """A line, with a bar from the least to the most at each Spread."""

    label: str
    points: Mapping[int, Spread | float | None]
    colour: str
    style: str = "-"


def draw(
    file: Path,
    title: str,
    panels: Mapping[str, Sequence[Line]],
    ticks: Mapping[int, str],
    x_label: str,
    y_label: str,
    foot: str,
    columns: int = 1,
    is_log: bool = True,
) -> Path:
    """Write a PNG of panels by their titles; all have the same axes. Gives the file."""
    rows = math.ceil(len(panels) / columns)
    width, height = (7.5, 4.5) if len(panels) == 1 else (3.2 * columns, 2.3 * rows + 1.2)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (name, lines) in zip(grid.flat, panels.items(), strict=False):
            for line in lines:
                _draw_line(axes, line)
            axes.set_title(name)
            _set_axes(axes, ticks, is_log)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=9, title=title)
        figure.supylabel(y_label, fontsize=10)
        figure.supxlabel(f"{x_label}\n{foot}", fontsize=8, color="#555555")
        figure.savefig(file)
    return file


def _draw_line(axes: Axes, line: Line) -> None:
    drawn = {at: point for at, point in line.points.items() if point is not None}
    middles = [point.median if isinstance(point, Spread) else point for point in drawn.values()]
    axes.plot(
        [*drawn],
        middles,
        label=line.label,
        color=line.colour,
        linestyle=line.style,
        marker="o",
        markersize=3.5,
    )
    spreads = {at: point for at, point in drawn.items() if isinstance(point, Spread)}
    medians = [point.median for point in spreads.values()]
    below = [max(0, point.median - point.least) for point in spreads.values()]
    above = [max(0, point.most - point.median) for point in spreads.values()]
    colour = line.colour
    axes.errorbar([*spreads], medians, (below, above), fmt="none", ecolor=colour, capsize=3)


def _set_axes(axes: Axes, ticks: Mapping[int, str], is_log: bool) -> None:
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.set_xscale("log")
    axes.set_xticks([*ticks], [*ticks.values()])
    axes.xaxis.set_minor_locator(NullLocator())
    if is_log:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True, which="minor", axis="y", color="#EEEEEE", linewidth=0.5)
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(plain)
