"""A process, recorded from its start to its end: its first files, its operations, its promise."""

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.faults.disk import Disk
from tests.faults.journal import Answer, Operation, accepted_ids, read
from tests.faults.recovery import Promise
from tests.faults.shim import Shim
from tests.faults.supervisor import Supervisor
from tests.faults.traffic import SOURCES, messages, mix, spread
from tests.support.service import ROOT
from tests.support.strategies import Sent

CONNECTIONS = 6
PAUSE_SECONDS = 0.03
"""Between two deliveries of a connection, so that a load lasts for two checkpoints."""


class Recording(NamedTuple):
    """A process, from its start to its end; in "import beside" with another one beside it."""

    scenario: str
    before: Path
    """The folder at its start; all of it was on the disk."""
    operations: list[Operation]
    database: Path
    """Relative to the folder."""
    sent: dict[str, Sent]
    acknowledged_before: list[str]
    source: Path = ROOT
    """Whose `service` ran."""
    import_file: Path | None = None
    imported: Sequence[str] = ()
    """Acknowledged together, when the import tells what it has done."""

    def promise(self, time: int) -> Promise:
        """The promise after `time` operations."""
        done = self.operations[:time]
        has_told = any(isinstance(each, Answer) and each.data.startswith(b"read ") for each in done)
        acknowledged = [
            *self.acknowledged_before,
            *accepted_ids(done),
            *(self.imported if has_told else ()),
        ]
        return Promise(self.sent, list(dict.fromkeys(acknowledged)))


class Studio:
    """Where one recording is made."""

    def __init__(self, library: Path, folder: Path, seed: int, source: Path = ROOT) -> None:
        """`folder` exists and is empty; `seed` decides the messages, `source` has the service."""
        self.chance = random.Random(f"recording {seed}")
        self.folder = folder
        self.library = library
        self.source = source
        self.name = f"m{seed}"
        self.before = folder / "before"
        self.before.mkdir()
        self.shim = Shim(library, folder)

    def messages(self, name: str, count: int) -> list[Sent]:
        """New messages of this recording."""
        return messages(f"{self.name}-{name}", count, self.chance)

    def webhooks(self, name: str, count: int) -> list[Sent]:
        """New messages and events of this recording; some events bring a message."""
        return mix(self.messages(name, count), self.chance)

    def environment(self, database: str, process: int = 0) -> dict[str, str]:
        """Of a process under the shim; even numbers are services, the next is one beside it."""
        url = f"sqlite:///{self.shim.disk / database}"
        return {**self.shim.environment(process), **SOURCES, "DATABASE_URL": url}

    def serve(self, sent: Sequence[Sent], database: str = "app.db") -> list[Operation]:
        """Start on a copy of `before`, deliver, stop; gives the operations of the process."""
        lines = spread(sent, CONNECTIONS, self.chance)

        def drive(service: Supervisor) -> None:
            exchanges = service.deliver(lines, PAUSE_SECONDS)
            assert {each.status for each in exchanges} == {200}
            assert service.starts == 1

        return self.run(sent, drive, database)

    def run(
        self, sent: Sequence[Sent], drive: Callable[[Supervisor], None], database: str = "app.db"
    ) -> list[Operation]:
        """As `serve`; `drive` delivers until all of `sent` is stored."""
        shutil.copytree(self.before, self.shim.disk, dirs_exist_ok=True)
        with self.supervisor(database) as service:
            drive(service)
            assert service.stop() == 0
        assert service.complaints == []
        operations = self.develop()
        assert set(accepted_ids(operations)) == {each.message_id for each in sent}
        return operations

    def supervisor(self, database: str = "app.db") -> Supervisor:
        """Runs services under the shim; the journal numbers them."""
        return Supervisor(
            self.folder, lambda start: self.environment(database, 2 * start), self.source
        )

    def develop(self) -> list[Operation]:
        """The journal, which must give the files that the process has left."""
        operations = read(self.shim.journal)
        disk = Disk(self.before)
        for operation in operations:
            disk.apply(operation)
        left = {
            str(file.relative_to(self.shim.disk)): file.read_bytes()
            for file in self.shim.disk.rglob("*")
            if file.is_file() and not file.name.endswith("-shm")
        }
        assert disk.files() == left
        return operations


def by_id(sent: Sequence[Sent]) -> dict[str, Sent]:
    return {each.message_id: each for each in sent}
