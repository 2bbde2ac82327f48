"""What a message costs the write-ahead logs.

What it costs besides (processor time, bytes sent to storage, bytes kept) is part of every run of
`throughput`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.bench.files import log_of, parts, reading, wait_until_indexed
from tests.bench.load import run_wrk
from tests.bench.places import scratch
from tests.bench.plan import PEAK_CONNECTIONS, Plan
from tests.bench.results import Cost, Spread
from tests.bench.targets import STORING, Target, running
from tests.bench.throughput import is_bad, requests_for
from tests.bench.watch import Watch

SECONDS_MAX = 3
"""The logs are kept whole meanwhile, some hundred megabytes a second."""


class Logged(NamedTuple):
    """Bytes for each webhook, in the log of the database, and in that of an index beside it."""

    in_main: float
    in_index: float | None


def measure_cost(plan: Plan, watch: Watch) -> list[Cost]:
    """Every server that stores, in turns."""
    requests = requests_for(plan, watch)
    found: dict[Target, list[Logged]] = {target: [] for target in STORING}
    with watch.part("write-ahead logs", plan.cost_rounds * len(STORING)) as begin:
        for number, target in product(range(plan.cost_rounds), STORING):
            begin(f"{target.label}, round {number + 1}")
            logged = _logged(target, requests, min(plan.seconds, SECONDS_MAX))
            if logged is not None:
                found[target].append(logged)
    return [_summarize(target, logged) for target, logged in found.items() if logged]


def _logged(target: Target, requests: Path, seconds: int) -> Logged | None:
    with scratch() as folder:
        database = folder / "app.db"
        with running(target, database) as server, _snapshot(database):
            before = _log_bytes(database)
            result = run_wrk(requests, server.port, PEAK_CONNECTIONS, seconds)
            wait_until_indexed(database)
            after = _log_bytes(database)
    if is_bad(target, result):
        return None
    main, *index = [(a - b) / result.requests for a, b in zip(after, before, strict=True)]
    return Logged(main, index[0] if index else None)


def _log_bytes(database: Path) -> list[int]:
    return [log_of(part).stat().st_size for part in parts(database)]


@contextmanager
def _snapshot(database: Path) -> Iterator[None]:
    """A read that goes on: as long as it does, no log is begun anew, but only grows."""
    with ExitStack() as stack:
        for part in parts(database):
            connection = stack.enter_context(reading(part))
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        yield


def _summarize(target: Target, logged: list[Logged]) -> Cost:
    index = [one.in_index for one in logged if one.in_index is not None]
    return Cost(
        target.name,
        PEAK_CONNECTIONS,
        Spread.of([one.in_main for one in logged]),
        Spread.of(index) if index else None,
    )
