"""Watches what a service answers, and how fast, while its database has a fault."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from service.store.postgres.store import COMMIT_SECONDS_MAX
from tests.faults.load import Load
from tests.support.processes import ServiceProcess

QUERY_SECONDS_MAX = 5
"""The default of QUERY_TIMEOUT_SECONDS."""

QUEUE_SECONDS_MAX = 2 * COMMIT_SECONDS_MAX
"""A webhook waits for the batch before its own, and for its own."""

BACK_SECONDS_MAX = 2
"""The longest time from a database that answers again to a service that does."""

PATIENCE_SECONDS = 30


class Watch:
    """Asks a service for several paths at once."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process

    def ask(self, *paths: str) -> dict[str, tuple[int, float]]:
        """By path, the status of the answer and its seconds."""
        with ThreadPoolExecutor(len(paths)) as threads:
            return dict(zip(paths, threads.map(self._ask, paths), strict=True))

    def wait_for(self, path: str, status: int) -> float:
        """The seconds until a path answers with this status."""
        began = time.monotonic()
        while self._ask(path)[0] != status:
            assert time.monotonic() - began < PATIENCE_SECONDS, f"{path} does not get {status}"
            time.sleep(0.02)
        return time.monotonic() - began

    def _ask(self, path: str) -> tuple[int, float]:
        began = time.monotonic()
        response = self._process.request("GET", path, timeout=httpx.Timeout(PATIENCE_SECONDS))
        if response.status_code == 503 and path != "/health/ready":
            assert response.json()["detail"]
        return response.status_code, time.monotonic() - began


@contextmanager
def loaded(process: ServiceProcess, senders: int = 8) -> Iterator[Load]:
    """A load that is accepted when the `with` begins and when it ends.

    What was not accepted must have been told to come again, in time.
    """
    with Load([process.port], senders, "load", pause_seconds=0.005) as load:
        load.wait_for(senders)
        yield load
        load.wait_for(senders)
    for each in load.refused:
        assert each.status == 503
        assert each.retry_after
    assert load.slowest_seconds < QUEUE_SECONDS_MAX + 0.5
