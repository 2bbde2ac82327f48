"""The suite finds the losses of a service that is broken in one place."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.order import unproven
from tests.faults.recording import Recording, Studio
from tests.faults.recovery import lose_all_unsynced
from tests.faults.scenarios import checkout, first_start


class Change(NamedTuple):
    """A change of a line of the service."""

    file: str
    old: str
    new: str


def synchronous(word: str, number: int) -> list[Change]:
    return [
        Change("sql/sqlite/connection.sql", "synchronous = FULL", f"synchronous = {word}"),
        Change("service/store/sqlite/store.py", '"synchronous": 2', f'"synchronous": {number}'),
    ]


EARLY = """\
            for future in futures:
                future.set_result(Outcome.CREATED)
            await asyncio.sleep(0.05)
"""
INSERT = "            outcomes = await self._store.insert("
DURABILITY = {
    "synchronous is NORMAL": synchronous("NORMAL", 1),
    "synchronous is OFF": synchronous("OFF", 0),
    "the answer comes before the commit": [Change("service/ingest.py", INSERT, EARLY + INSERT)],
}
FOLDERS = [Change("service/store/disk.py", "        os.fsync(descriptor)", "        pass")]


def record(library: Path, folder: Path, changes: list[Change]) -> Recording:
    source = checkout(folder / "checkout")
    for file, old, new in changes:
        text = (source / file).read_text("utf-8")
        assert text.count(old) == 1
        (source / file).write_text(text.replace(old, new), "utf-8")
    return first_start(Studio(library, folder, 0, source))


def lost_behind_the_last_answer(recording: Recording, folder: Path) -> list[str]:
    """The messages that a power loss takes just then, with everything that was not synced."""
    times = [
        time
        for time in range(len(recording.operations) + 1)
        if len(recording.promise(time).acknowledged) == len(recording.sent)
    ]
    operations = recording.operations[: times[0]]
    folder.mkdir()
    return lose_all_unsynced(
        folder, recording.before, operations, recording.database, recording.sent
    ).lost


@pytest.mark.parametrize("changes", DURABILITY.values(), ids=DURABILITY.keys())
def test_a_service_that_promises_too_much(
    library: Path, tmp_path: Path, changes: list[Change]
) -> None:
    recording = record(library, tmp_path, changes)
    assert unproven(recording.operations, recording.database)
    assert lost_behind_the_last_answer(recording, tmp_path / "left")


def test_a_service_that_does_not_sync_the_folders_it_makes(library: Path, tmp_path: Path) -> None:
    """The messages were synced, but no name leads to their files."""
    recording = record(library, tmp_path, FOLDERS)
    assert unproven(recording.operations, recording.database) == []
    lost = lost_behind_the_last_answer(recording, tmp_path / "left")
    assert sorted(lost) == sorted(recording.sent)
