"""The model of a disk: what must, may and must not be left of a file."""

import errno
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.contents import SECTOR, File, Luck
from tests.faults.disk import Crash, Disk
from tests.faults.journal import (
    Close,
    MakeFolder,
    Open,
    Operation,
    Rename,
    SyncBegin,
    SyncEnd,
    Truncate,
    Unlink,
    Write,
)

LONG = 4 * SECTOR
A, B, C = (bytes([letter]) * LONG for letter in b"abc")


def new(fd: int, path: str) -> Open:
    return Open(fd, path, is_created=True, is_truncated=False)


def synced(fd: int) -> list[Operation]:
    return [SyncBegin(fd), SyncEnd(fd, 0)]


def failed(fd: int) -> list[Operation]:
    return [SyncBegin(fd), SyncEnd(fd, errno.EIO)]


ROOT = Open(9, "", is_created=False, is_truncated=False)
FILE: list[Operation] = [ROOT, new(3, "file"), Write(3, 0, A), *synced(3), *synced(9)]
"""A file of As, all of it sure."""


def left(
    tmp_path: Path, operations: list[Operation], luck: Luck, seed: int = 0
) -> dict[str, bytes]:
    """The files after a crash that follows the last operation."""
    before, after = tmp_path / "before", tmp_path / f"after-{luck.name}-{seed}"
    before.mkdir(exist_ok=True)
    after.mkdir()
    disk = Disk(before)
    for operation in operations:
        disk.apply(operation)
    disk.leave(after, Crash(len(operations), seed, (luck,)))
    files = (file for file in after.rglob("*") if file.is_file())
    return {str(file.relative_to(after)): file.read_bytes() for file in files}


def sure(tmp_path: Path, *operations: Operation) -> bytes:
    """The file without everything that is not sure."""
    return left(tmp_path, [*FILE, *operations], Luck.NOTHING)["file"]


@pytest.mark.parametrize("luck", Luck)
def test_what_was_synced_stays(tmp_path: Path, luck: Luck) -> None:
    for seed in range(5):
        assert left(tmp_path, [*FILE, Write(3, 0, B), *synced(3)], luck, seed) == {"file": B}


def test_what_was_not_synced_is_gone(tmp_path: Path) -> None:
    assert sure(tmp_path, Write(3, 0, B), Write(3, LONG, B)) == A


def test_a_sync_covers_what_was_written_before_it_began(tmp_path: Path) -> None:
    assert sure(tmp_path, Write(3, 0, B), SyncBegin(3), Write(3, 0, C), SyncEnd(3, 0)) == B


def test_a_sync_that_has_not_ended_covers_nothing(tmp_path: Path) -> None:
    assert sure(tmp_path, Write(3, 0, B), SyncBegin(3)) == A


def test_a_sync_of_another_file_covers_nothing(tmp_path: Path) -> None:
    assert sure(tmp_path, new(4, "other"), Write(3, 0, B), *synced(4), *synced(9)) == A


def test_a_sync_by_another_descriptor_covers_the_file(tmp_path: Path) -> None:
    again = Open(4, "file", is_created=False, is_truncated=False)
    assert sure(tmp_path, again, Write(3, 0, B), Close(3), *synced(4)) == B


def test_behind_a_failed_sync_only_what_is_written_again_becomes_sure(tmp_path: Path) -> None:
    half = LONG // 2
    again = [*failed(3), Write(3, 0, C[:half]), *synced(3)]
    assert sure(tmp_path, Write(3, 0, B), *again) == C[:half] + A[half:]


def test_lengths_are_sure_like_contents(tmp_path: Path) -> None:
    assert sure(tmp_path, Truncate(3, SECTOR)) == A


def test_a_file_that_was_cut_and_grows_again_has_zeros(tmp_path: Path) -> None:
    operations = [Truncate(3, SECTOR + 1), Truncate(3, LONG), *synced(3)]
    assert sure(tmp_path, *operations) == A[: SECTOR + 1] + bytes(LONG - SECTOR - 1)


def test_a_part_of_a_sector_keeps_the_rest_of_it(tmp_path: Path) -> None:
    assert sure(tmp_path, Write(3, 10, b"bb"), *synced(3)) == A[:10] + b"bb" + A[12:]


def test_a_name_is_sure_when_its_folder_was_synced(tmp_path: Path) -> None:
    made: list[Operation] = [ROOT, new(3, "file"), Write(3, 0, A), *synced(3)]
    assert left(tmp_path, made, Luck.NOTHING) == {}
    assert left(tmp_path, made, Luck.EVERYTHING) == {"file": A}


def test_a_folder_is_sure_when_the_one_above_was_synced(tmp_path: Path) -> None:
    inner = Open(8, "new", is_created=False, is_truncated=False)
    made: list[Operation] = [MakeFolder("new"), inner, new(3, "new/file"), *synced(8)]
    assert left(tmp_path, made, Luck.NOTHING) == {}
    assert left(tmp_path, [*made, ROOT, *synced(9)], Luck.NOTHING, 1) == {"new/file": b""}


def test_a_removed_file_may_be_back(tmp_path: Path) -> None:
    removed = [*FILE, Unlink("file")]
    assert left(tmp_path, removed, Luck.NOTHING) == {"file": A}
    assert left(tmp_path, [*removed, *synced(9)], Luck.NOTHING, 1) == {}


def test_a_file_made_anew_under_a_name_is_another(tmp_path: Path) -> None:
    replaced = [*FILE, Unlink("file"), new(4, "file"), Write(4, 0, B), *synced(4)]
    assert left(tmp_path, replaced, Luck.NOTHING) == {"file": A}
    assert left(tmp_path, [*replaced, *synced(9)], Luck.NOTHING, 1) == {"file": B}


def test_a_rename_is_sure_when_the_folder_was_synced(tmp_path: Path) -> None:
    renamed = [*FILE, Rename("file", "other")]
    assert left(tmp_path, renamed, Luck.NOTHING) == {"file": A}
    assert left(tmp_path, [*renamed, *synced(9)], Luck.NOTHING, 1) == {"other": A}


@pytest.mark.parametrize("luck", [Luck.IN_ORDER, Luck.PAGES, Luck.SECTORS])
def test_each_sector_is_as_it_was_at_some_time_and_every_one_of_those_happens(
    tmp_path: Path, luck: Luck
) -> None:
    operations = [*FILE, Write(3, 0, B), Write(3, 0, C)]
    found = {left(tmp_path, operations, luck, seed)["file"] for seed in range(60)}
    for content in found:
        sectors = [content[start : start + SECTOR] for start in range(0, LONG, SECTOR)]
        assert set(sectors) <= {each[:SECTOR] for each in (A, B, C)}
    torn = found - {A, B, C}
    assert torn if luck is not Luck.PAGES else not torn
    assert found >= {A, B, C} if luck is Luck.PAGES else len(found) > 3


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000), st.binary(min_size=1, max_size=2_000), st.booleans()),
        max_size=12,
    ),
    st.sampled_from(Luck),
    st.integers(0, 100),
)
def test_nothing_is_left_that_never_was(
    writes: list[tuple[int, bytes, bool]], luck: Luck, seed: int
) -> None:
    """Every sector is as it was at some time since the last sync, and so is the length."""
    file, content = File(), b""
    since = [content]
    for time, (offset, data, is_synced) in enumerate(writes, start=1):
        file.write(time, offset, data)
        content = content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]
        since.append(content)
        if is_synced:
            file.settle(time + 1)
            since = [content]
    assert file.content == content
    found = file.after_crash(luck, len(writes), random.Random(seed))
    assert len(found) in {len(each) for each in since}
    for start in range(0, len(found), SECTOR):
        sector = found[start : start + SECTOR]
        length = len(sector)
        assert sector in {each[start : start + length].ljust(length, b"\0") for each in since}
