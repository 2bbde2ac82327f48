"""Group commit on a store that does as it is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.telemetry.logs import Log
from tests.support.group_commit import Bench


@pytest.fixture
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Parametrised indirectly, with a store that takes so many batches at a time."""
    with (tmp_path / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        bench = Bench(log, getattr(request, "param", 1))
        bench.commit.start()
        yield bench
        bench.store.may_end.set()
        await bench.commit.close()
        log.close()
