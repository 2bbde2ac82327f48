"""One call after another fails: the first of its kind, the second, the third."""

import errno
import itertools
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.faults.journal import Operation, read
from tests.faults.order import trusted_after_failure, unproven
from tests.faults.recording import Studio, by_id
from tests.faults.recovery import lose_all_unsynced
from tests.faults.shim import SHORT, Call
from tests.faults.supervisor import Supervisor
from tests.support.service import wait_until
from tests.support.strategies import Sent

DATABASE = Path("app.db")
LOG = "app.db-wal"
CONNECTIONS = 3
MESSAGES = 6
"""For each call that fails."""


class Fault(NamedTuple):
    """Calls that fail, and how."""

    calls: Call
    error: int
    name: str = LOG
    times: int = 1

    def __str__(self) -> str:
        kind = "short" if self.error == SHORT else errno.errorcode[self.error]
        calls = "|".join(call.name or "" for call in self.calls).lower()
        return f"{calls} {kind} {self.name or 'any file'}"


FAULTS = [
    *(Fault(Call.WRITE, error) for error in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR)),
    Fault(Call.WRITE, SHORT),
    *(Fault(Call.SYNC, error) for error in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR)),
    # A file is opened for a new connection, after another one has failed.
    *(
        Fault(Call.SYNC | Call.OPEN, error, times=3)
        for error in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.EMFILE)
    ),
    Fault(Call.SYNC | Call.OPEN | Call.WRITE | Call.TRUNCATE | Call.UNLINK, errno.EIO, "", 5),
]


class Found(msgspec.Struct):
    """The result of a sweep."""

    faults: int = 0
    """Calls that failed."""
    accepted: int = 0
    refused: int = 0
    lost: int = 0
    twice: int = 0
    complaints: list[str] = []

    def __add__(self, other: "Found") -> "Found":
        return Found(
            self.faults + other.faults,
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.lost + other.lost,
            self.twice + other.twice,
            self.complaints + other.complaints,
        )


def sweep(studio: Studio, faults: Sequence[Fault], depth: int) -> Found:
    """Let the first, the second, … the `depth`-th call of each fault fail under a service.

    A service that ends is started again, and what it refused is sent again after the fault. At the
    end a power loss takes all that was not synced.
    """
    found = Found()
    sent = studio.webhooks("sweep", len(faults) * depth * MESSAGES)
    unsent = iter(sent)
    with studio.supervisor(str(DATABASE)) as service:
        for fault in faults:
            for skip in range(depth):
                due = [next(unsent) for _ in range(MESSAGES)]
                with studio.shim.failing(*fault[:3], skip=skip, times=fault.times):
                    refused = _deliver(found, service, due)
                found.faults += studio.shim.hits
                _deliver_until_stored(found, service, refused)
        wait_until(lambda: service.process.get("/health/ready").status_code == 200)
        operations = read(studio.shim.journal)
    found.complaints += service.complaints
    _judge(found, studio, operations, sent)
    return found


def sweep_starts(library: Path, folder: Path, calls: Sequence[Call]) -> Found:
    """Let the first, the second, … call of a start fail, until a start has no more calls.

    Each start must end and say why in one line, or listen. The one that listens must keep what it
    acknowledges.
    """
    found = Found()
    for call in calls:
        for skip in itertools.count():
            place = folder / f"{call.name}-{skip}"
            place.mkdir(parents=True)
            hits = _start(found, Studio(library, place, skip), Fault(call, errno.EIO, ""), skip)
            shutil.rmtree(place)
            if not hits:
                break
            found.faults += hits
    return found


def _start(found: Found, studio: Studio, fault: Fault, skip: int) -> int:
    """Start in a new folder; gives the number of calls that failed."""
    database = Path("new/app.db")
    sent = studio.webhooks("start", MESSAGES)
    service = studio.supervisor(str(database))
    with ExitStack() as stack:
        with studio.shim.failing(*fault[:3], skip=skip, times=fault.times):
            stack.enter_context(service)
            hits = studio.shim.hits
        _deliver_until_stored(found, service, sent)
        operations = read(studio.shim.journal)
    verdict = lose_all_unsynced(studio.folder, studio.before, operations, database, by_id(sent))
    found.lost += len(verdict.lost)
    found.twice += len(verdict.twice)
    complaints = [*service.complaints, *verdict.complaints]
    found.complaints += [f"{fault}, {skip}: {each}" for each in complaints]
    return hits


def _deliver(found: Found, service: Supervisor, due: Sequence[Sent]) -> list[Sent]:
    """Gives the messages that were refused, or that got no answer from a service that ended."""
    lines = [due[number::CONNECTIONS] for number in range(CONNECTIONS)]
    refused = []
    for exchange in service.deliver(lines):
        if exchange.status == 200:
            found.accepted += 1
        elif exchange.status is None or (exchange.status == 503 and exchange.retry_after):
            refused.append(exchange.sent)
        else:
            found.complaints.append(f"{exchange.sent.message_id} got {exchange.status}")
    found.refused += len(refused)
    return refused


def _deliver_until_stored(found: Found, service: Supervisor, due: Sequence[Sent]) -> None:
    """A restart is all that a fault may need."""

    def is_stored() -> bool:
        nonlocal due
        due = _deliver(found, service, due)
        return not due

    wait_until(is_stored)


def _judge(found: Found, studio: Studio, operations: list[Operation], sent: Sequence[Sent]) -> None:
    found.complaints += [f"{each} left too soon" for each in unproven(operations, DATABASE)]
    if trusted_after_failure(operations, DATABASE):
        found.complaints.append("a sync was trusted after one that had failed")
    verdict = lose_all_unsynced(studio.folder, studio.before, operations, DATABASE, by_id(sent))
    found.lost += len(verdict.lost)
    found.twice += len(verdict.twice)
    found.complaints += verdict.complaints
