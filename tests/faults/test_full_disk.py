"""A small file system that is really full, and then has room again."""

import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.stored import find_damage, stored_ids
from tests.faults.traffic import deliver, messages
from tests.support.processes import ServiceProcess
from tests.support.service import wait_until

NAMESPACE = ("unshare", "--map-root-user", "--mount")
MOUNT = (
    'mount -t tmpfs -o size=3m tmpfs "$0" && head -c 1000000 /dev/zero >"$0/filler" && exec "$@"'
)
BATCH = 50


def prefix(folder: Path) -> list[str]:
    """Runs a command with a file system of 3 MB at `folder`, a third of it filled."""
    return [*NAMESPACE, "sh", "-c", MOUNT, str(folder)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The mount point."""
    folder = tmp_path / "small"
    folder.mkdir()
    if shutil.which(NAMESPACE[0]) is None:
        pytest.skip("no full disk is tried: there is no unshare(1)")
    tried = subprocess.run([*prefix(folder), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no full disk is tried: nothing may be mounted here: {tried.stderr.strip()}")
    return folder


def test_a_disk_that_is_full_and_then_is_not(tmp_path: Path, folder: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{folder}/app.db"}
    chance = random.Random(0)
    accepted: list[str] = []
    with ServiceProcess(tmp_path, environment, prefix=prefix(folder)) as process:

        def fill(number: int) -> bool:
            sent = messages(f"m{number}-full", BATCH, chance)
            exchanges = deliver(process.port, [sent[0::2], sent[1::2]])
            assert {(each.status, each.retry_after) for each in exchanges} <= {
                (200, None),
                (503, "1"),
            }
            accepted.extend(each.sent.message_id for each in exchanges if each.status == 200)
            return exchanges[-1].status == 503

        assert any(fill(number) for number in range(100))
        wait_until(lambda: process.get("/health/ready").status_code == 503)
        assert process.get("/health/live").status_code == 200
        assert process.get("/messages?limit=1").json()["total"] == len(accepted)
        # Only the service's process sees the file system; this is the way into it.
        inside = Path(f"/proc/{process.process.pid}/root{folder}")
        (inside / "filler").unlink()
        wait_until(lambda: process.get("/health/ready").status_code == 200)
        assert not fill(100)
        left = tmp_path / "left"
        left.mkdir()
        process.process.send_signal(signal.SIGSTOP)
        for file in inside.glob("app.db*"):
            shutil.copy(file, left)
        process.process.send_signal(signal.SIGCONT)
        assert process.stop() == 0
    assert process.errors == ""
    assert sorted(stored_ids(left / "app.db")) == sorted(accepted)
    assert list(find_damage(left / "app.db")) == []
