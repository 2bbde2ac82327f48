"""What was measured, as tables in Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from tests.measure.figures import Spread

Item = TypeVar("Item")
Columns = Mapping[str, str | Callable[[Any], object]]
"""By title: the attribute that a column shows, or what gives it."""

KEPT = "yes"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table: the first column to the left, the others to the right. No rows: no table."""
    cells = [[cell(value) for value in row] for row in rows]
    rule = ["---", *["---:"] * (len(head) - 1)]
    lines = [f"| {' | '.join(row)} |\n" for row in (head, rule, *cells)]
    return "".join(lines) if cells else ""


def table_of(items: Iterable[Item], columns: Columns) -> str:
    """A table with a row for each item, and the columns by their titles."""
    getters = [_getter(column) for column in columns.values()]
    return table([*columns], [[get(item) for get in getters] for item in items])


def cell(value: object) -> str:
    """`median (least to most)` of a Spread, three digits of a float, the whole of an int."""
    match value:
        case None:
            return ""
        case Spread(median=median, least=least, most=most, runs=runs):
            range_ = f" ({number(least)} to {number(most)})" if len(runs) > 1 else ""
            return number(median) + range_
        case bool():
            return KEPT if value else "**no**"
        case int():
            return f"{value:,}"
        case float():
            return number(value)
    return str(value)


def number(value: float) -> str:
    """Three digits that mean something, and no more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _getter(column: str | Callable[[Any], object]) -> Callable[[Any], object]:
    if isinstance(column, str):
        return lambda item: getattr(item, column)
    return column
