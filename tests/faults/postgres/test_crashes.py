"""PostgreSQL is killed under load, and no acknowledged message is lost."""

from pathlib import Path

from tests.faults.postgres.crashes import crash
from tests.support.postgres.server import Server

BACK_SECONDS_MAX = 2


def test_no_acknowledged_message_is_lost_when_the_server_is_killed(
    durable_server: Server, tmp_path: Path
) -> None:
    found = crash(durable_server, tmp_path, crashes=2, seed=0)
    assert found.is_good, found
    assert found.acknowledged > 100
    assert found.refused > 0
    assert found.slowest_seconds < 10
    assert found.back_seconds < BACK_SECONDS_MAX
