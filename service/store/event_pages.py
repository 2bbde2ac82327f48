"""A page of events: its access path, its parameters, and where it ends; the same for all databases.

The order is that of an index for each source. A page takes the first events of every source that
can have some, and merges them. Then it reads those events whose bodies fit.
"""

from collections.abc import Sequence
from typing import Any

from service.store.interface import EventFilter, EventPosition
from service.store.queries import Queries


def choose_query(queries: Queries, chosen: EventFilter) -> str:
    """The query of the index that looks at the fewest events: few have a problem."""
    if chosen.has_problem:
        both = (queries.events_by_problem, queries.events_by_problem_desc)
    elif chosen.type is not None:
        both = (queries.events_by_type, queries.events_by_type_desc)
    else:
        both = (queries.events_by_source, queries.events_by_source_desc)
    return both[chosen.is_descending]


def event_parameters(
    chosen: EventFilter, after: EventPosition | None, limit: int
) -> dict[str, Any]:
    """The parameters of the query, which looks at one event more than the page can have."""
    parameters = {
        "source": chosen.source,
        "type": chosen.type,
        "skips_problems": chosen.has_problem is False,
        "since": chosen.since,
        "until": chosen.until,
        "limit": limit + 1,
    }
    # No source and no id is empty: these are the places before all events of an instant.
    if chosen.is_descending:
        end = EventPosition(chosen.until, "", "")
        place, name = min(after or end, end), "before"
    else:
        begin = EventPosition(chosen.since, "", "")
        place, name = max(after or begin, begin), "after"
    return parameters | {f"{name}_{field}": value for field, value in place._asdict().items()}


def count_fitting(sizes: Sequence[int], limit: int, bytes_max: int) -> int:
    """How many of these bodies go into a page: as many as fit, but at least one."""
    total = 0
    for count, size in enumerate(sizes[:limit]):
        total += size
        if count and total > bytes_max:
            return count
    return min(limit, len(sizes))
