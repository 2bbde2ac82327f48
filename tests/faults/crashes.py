"""The moment of a power loss in a recording, and the files that it leaves."""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.faults.contents import Luck
from tests.faults.disk import Crash, Disk
from tests.faults.journal import Answer, Open, Operation, SyncBegin, SyncEnd, Write

LUCKS: Sequence[tuple[Luck, ...]] = (
    (Luck.NOTHING,),
    (Luck.EVERYTHING,),
    (Luck.NOTHING, Luck.EVERYTHING),
    (Luck.IN_ORDER,),
    (Luck.PAGES,),
    (Luck.SECTORS,),
    tuple(Luck),
    tuple(Luck),
)
"""Each file has the luck of one of these."""

SHARED_MEMORY = "-shm"
SHARED_MEMORY_BYTES = 32_768


def choose(operations: Sequence[Operation], database: Path, seed: int) -> Crash:
    """The crash of a seed: anywhere, or at one of the moments that are most dangerous."""
    chance = random.Random(f"crash {seed}")
    anywhere = range(len(operations) + 1)
    times = chance.choice(
        [anywhere, _answers(operations), _checkpoints(operations, database), _syncs(operations)]
    )
    return Crash(chance.choice(times or anywhere), seed, chance.choice(LUCKS))


def leave(
    before: Path, operations: Sequence[Operation], database: Path, crash: Crash, folder: Path
) -> None:
    """Write what is left of the folder `before` into `folder`, which exists and is empty."""
    disk = Disk(before)
    for operation in operations[: crash.time]:
        disk.apply(operation)
    disk.leave(folder, crash)
    _leave_shared_memory(folder / database, random.Random(crash.seed))


def _leave_shared_memory(database: Path, chance: random.Random) -> None:
    """The journal lacks mapped memory. After a crash its file is gone, or holds anything."""
    for file in (database, database.with_name(database.name + "-index")):
        if file.exists() and chance.random() < 0.5:
            shared = file.with_name(file.name + SHARED_MEMORY)
            anything = chance.randbytes(SHARED_MEMORY_BYTES)
            shared.write_bytes(chance.choice([anything, bytes(SHARED_MEMORY_BYTES)]))


def _answers(operations: Sequence[Operation]) -> list[int]:
    """Just after a 200: its message must be stored."""
    return [
        time
        for time, operation in enumerate(operations, start=1)
        if isinstance(operation, Answer) and operation.accepted_id
    ]


def _checkpoints(operations: Sequence[Operation], database: Path) -> list[int]:
    """During a checkpoint."""
    opened: dict[int, str] = {}
    times = []
    for time, operation in enumerate(operations, start=1):
        if isinstance(operation, Open):
            opened[operation.fd] = operation.path
        elif isinstance(operation, Write) and opened[operation.fd] == str(database):
            times.append(time)
    return times


def _syncs(operations: Sequence[Operation]) -> list[int]:
    """Just before, during and just after a sync."""
    return [
        time + step
        for time, operation in enumerate(operations, start=1)
        if isinstance(operation, SyncBegin | SyncEnd)
        for step in (-1, 0)
    ]
