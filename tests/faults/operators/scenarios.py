"""Scenarios: what an operator does to rows and files while webhooks come."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tests.faults.ledger import Act
from tests.faults.operators.stage import Stage
from tests.faults.recovery import Unreadable
from tests.support.service import wait_until

PAGE_BYTES = 4_096
SPOILED = b"\xff" * PAGE_BYTES
SPOILED_PAGES_MIN = 8
"""A database is spoiled once it has so many pages."""

READS_MAX = 5

DELETIONS = (
    "from_msisdn IN ('+491700000001', '+491700000002')",
    "ts < (SELECT avg(ts) FROM messages)",
    "seq > (SELECT max(seq) - 10 FROM messages)",
    "seq % 3 = 1",
    "message_id LIKE '%7'",
    "true",
)
ERASURES = (
    "seq = (SELECT min(seq) FROM messages)",
    "seq = (SELECT max(seq) FROM messages)",
    "seq = (SELECT (min(seq) + max(seq)) / 2 FROM messages)",
)


def deletion(stage: Stage) -> None:
    """Rows are deleted by SQL beside webhooks."""
    for _ in range(stage.chance.randrange(1, 4)):
        stage.delete(stage.chance.choice(DELETIONS), repeated_count=2)
        _go_on(stage)


def erasure(stage: Stage) -> None:
    """One message after another is erased by SQL, and its sender sends it again."""
    for _ in range(stage.chance.randrange(2, 5)):
        stage.delete(stage.chance.choice(ERASURES), repeated_count=1)
        if stage.chance.random() < 0.2:
            _harm_index(stage)
        _go_on(stage)


def restore(stage: Stage) -> None:
    """A backup is put in the place of the database, whose WAL may still lie there."""
    stage.back_up()
    stage.pause()
    stage.end()
    with stage.acting("restore") as acts:
        source = stage.backup.with_name("copy.db")
        shutil.copyfile(stage.backup, source)
        command = stage.chance.choice([["cp"], ["cp", "-p"], ["mv"]])
        subprocess.run([*command, source, stage.database], check=True)
        _start_on_backup(stage)
    stage.ledger.restore(stage.saved, acts[0])


def replacement(stage: Stage) -> None:
    """The file is replaced or removed while the service runs."""
    stage.back_up()
    stage.pause()
    replace = stage.chance.choice([_move, _link, _remove_all, _remove_wal, _move_folder])
    with stage.acting(replace.__name__.strip("_")) as acts:
        replace(stage)
    stage.wait_for_probe(503, "while the service runs")
    stage.pause()
    if replace is _move_folder and stage.chance.random() < 0.5:
        ended_at = time.monotonic()
        _move_folder_back(stage)
        stage.wait_for_probe(200)
    else:
        stage.end()
        ended_at = time.monotonic()
        _start_after(stage, replace, acts[0].began_at)
    _expect_none(stage, acts[0].done_at, ended_at)


def overwriting(stage: Stage) -> None:
    """A backup is copied over the file while the service runs."""
    stage.back_up()
    for _ in range(stage.chance.randrange(4)):
        stage.pause()
    with stage.acting("cp") as acts:
        shutil.copyfile(stage.backup, stage.database)
    stage.pause()
    is_told = not stage.is_ready()
    stage.end()
    ended_at = time.monotonic()
    if is_told or stage.start():
        _restore_backup(stage, acts[0].began_at)
        _expect_none(stage, acts[0].done_at, ended_at)


def malformed(stage: Stage) -> None:
    """Pages are spoiled while the service runs, and a read may meet them."""
    stage.back_up()
    wait_until(lambda: stage.database.stat().st_size >= SPOILED_PAGES_MIN * PAGE_BYTES)
    stage.pause()
    with stage.acting("spoil") as acts:
        pages = _spoil(stage)
    _read_and_end(stage)
    if stage.chance.random() < 0.5 and not stage.start():
        _read_and_end(stage)
    if stage.chance.random() < 0.5:
        _restore_backup(stage, acts[0].began_at)
    else:
        stage.story.append("mend")
        _mend(stage, pages)
        stage.expect("it refuses the mended database", not stage.start())


SCENARIOS: Sequence[Callable[[Stage], None]] = (
    deletion,
    erasure,
    restore,
    replacement,
    overwriting,
    malformed,
)


def _go_on(stage: Stage) -> None:
    stage.look()
    if stage.chance.random() < 0.3:
        stage.end()
        stage.start()
    stage.pause()


def _harm_index(stage: Stage) -> None:
    """Remove or empty the index. A read that meets the damage first gets 503."""
    index = stage.database.with_name("app.db-index")
    rebuilt_before = len(stage.service.log_lines("index_rebuilt"))
    stage.story.append(stage.chance.choice(["remove the index", "empty the index"]))
    if stage.story[-1] == "remove the index":
        index.unlink()
    else:
        index.write_bytes(b"")

    def is_built_again() -> bool:
        try:
            stage.look()
        except Unreadable:
            return False
        return len(stage.service.log_lines("index_rebuilt")) > rebuilt_before

    wait_until(is_built_again)


def _expect_none(stage: Stage, begin: float, end: float) -> None:
    """Nothing that began in this time may have been acknowledged before its end."""
    late = stage.ledger.accepted_between(begin, end)
    stage.expect(f"acknowledged, and not to be found: {late[:3]} of {len(late)}", not late)


# A backup, restored


def _start_on_backup(stage: Stage) -> None:
    """If the WAL that lies there is refused, do what the service says."""
    if refusal := stage.start():
        stage.story.append("refused")
        stage.expect(f"it says: {refusal}", "remove app.db-wal" in refusal)
        stage.remove_beside()
        stage.expect("it refuses the backup without a WAL", not stage.start())


def _put_backup(stage: Stage) -> None:
    """As docs/operations.md says."""
    stage.story.append("restore")
    stage.remove_beside()
    shutil.copyfile(stage.backup, stage.database)


def _restore_backup(stage: Stage, began_at: float) -> None:
    """What was stored after the backup is lost by an act that began then."""
    _put_backup(stage)
    stage.expect("it refuses the backup", not stage.start())
    stage.ledger.restore(stage.saved, Act(began_at, time.monotonic()))


# The file, replaced or removed


def _move(stage: Stage) -> None:
    shutil.copyfile(stage.backup, stage.data / "copy.db")
    (stage.data / "copy.db").replace(stage.database)


def _link(stage: Stage) -> None:
    (stage.data / "link").symlink_to(stage.backup)
    (stage.data / "link").replace(stage.database)


def _remove_all(stage: Stage) -> None:
    for file in stage.data.iterdir():
        file.unlink()


def _remove_wal(stage: Stage) -> None:
    stage.database.with_name("app.db-wal").unlink()


def _elsewhere(stage: Stage) -> Path:
    return stage.data.with_name("elsewhere")


def _move_folder(stage: Stage) -> None:
    stage.data.rename(_elsewhere(stage))


def _move_folder_back(stage: Stage) -> None:
    stage.story.append("move back")
    _elsewhere(stage).rename(stage.data)


def _start_after(stage: Stage, replace: Callable[[Stage], None], began_at: float) -> None:
    """Start on what is there. Only what was in the file that is gone may be lost."""
    kept: Collection[str] | None = stage.saved
    if replace is _move_folder:
        _move_folder_back(stage)
        kept = None
    elif replace is _remove_all:
        kept = ()
    elif replace is _remove_wal:
        if stage.story[-1] == "kill":
            _put_backup(stage)
        else:
            kept = None
    _start_on_backup(stage)
    if kept is not None:
        stage.ledger.restore(kept, Act(began_at, time.monotonic()))


# Pages, spoiled


def _spoil(stage: Stage) -> dict[int, bytes]:
    """Spoil pages at one instant; gives what they were, by their place."""
    process = stage.service.process
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    with stage.database.open("r+b") as file:
        content = file.read()
        places = range(PAGE_BYTES, len(content), PAGE_BYTES)
        count = stage.chance.choice([1, 2, len(places)])
        pages = {
            place: content[place : place + PAGE_BYTES]
            for place in stage.chance.sample(places, count)
        }
        for place in pages:
            file.seek(place)
            file.write(SPOILED)
    process.send_signal(signal.SIGCONT)
    return pages


def _mend(stage: Stage, pages: dict[int, bytes]) -> None:
    """Put back what is still spoiled: a checkpoint may have written the rest."""
    with stage.database.open("r+b") as file:
        for place, content in pages.items():
            file.seek(place)
            if file.read(PAGE_BYTES) == SPOILED:
                file.seek(place)
                file.write(content)
    for file_of_index in stage.data.glob("app.db-index*"):
        file_of_index.unlink()


def _read_and_end(stage: Stage) -> None:
    """Read until the damage is met; from then on nothing may be acknowledged."""
    for _ in range(READS_MAX):
        try:
            stage.look()
        except Unreadable as error:
            stage.story.append("met")
            stage.expect(str(error), "gets 503" in str(error))
            stage.wait_for_probe(503, "the database is damaged")
            break
        stage.pause()
    red_at = float("inf") if stage.is_ready() else time.monotonic()
    stage.pause()
    ended_at = time.monotonic()
    stage.end()
    _expect_none(stage, red_at, ended_at)
