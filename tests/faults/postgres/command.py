"""`just faults postgres`: kill PostgreSQL under load, and look for every acknowledged message."""

import argparse
import platform
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.postgres.crashes import crash
from tests.faults.postgres.results import Totals, publish, render
from tests.faults.results import FOLDER
from tests.measure.machine import describe_commit, describe_machine
from tests.measure.watch import Watch
from tests.support.postgres.install import find_install
from tests.support.postgres.server import Server

CRASHES = 20


def main(given: Sequence[str]) -> int:
    """Run it; 0 if nothing was lost, stored twice, or wrong in another way."""
    parser = argparse.ArgumentParser(prog="just faults postgres", description=__doc__)
    parser.add_argument("--crashes", type=int, default=CRASHES, help=f"{CRASHES} if not given")
    parser.add_argument("--seed", type=int, default=0, help="of the load and of the times")
    parser.add_argument(
        "--publish", action="store_true", help="write the totals into docs/ and README.md"
    )
    arguments = parser.parse_args(given)
    if arguments.crashes < 1:
        parser.error("--crashes must be at least 1")
    install = find_install(trigrams=True)
    if install is None:
        parser.error("no package has PostgreSQL with pg_trgm for this platform")
    began_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=FOLDER, prefix="postgres-") as folder,
        Server(None, install) as server,
        Watch() as watch,
        watch.part("crashes of PostgreSQL", arguments.crashes) as begin,
    ):
        found = crash(server, Path(folder), arguments.crashes, arguments.seed, lambda: begin(""))
    totals = Totals(
        command=f"just faults postgres --crashes {arguments.crashes}",
        began_at=began_at,
        machine=describe_machine(),
        versions={"python": platform.python_version(), "database": f"postgresql {install.version}"},
        commit=describe_commit(),
        found=found,
    )
    print(render(totals), *found.complaints, *found.lost, *found.twice, sep="\n")
    if arguments.publish:
        publish(totals)
    return int(not found.is_good)
