"""The application's lifespan, when a part of it fails."""

import threading
from pathlib import Path

import pytest

from service.ingest import GroupCommit
from tests.support.service import building, lifespan

pytestmark = pytest.mark.anyio


async def test_the_store_is_closed_where_the_group_commit_does_not_end_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, before = GroupCommit.close, set(threading.enumerate())

    async def close_and_raise(commit: GroupCommit) -> None:
        await close(commit)
        raise RuntimeError

    monkeypatch.setattr(GroupCommit, "close", close_and_raise)
    async with building(tmp_path, {}) as service:
        with pytest.raises(AssertionError, match="ended"):
            async with lifespan(service.app):
                pass
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread
