"""Writes, syncs and opens fail, once or for a while: the service lives on, or ends with code 1."""

import errno
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from service.store.sqlite.connection import driver
from tests.faults.journal import Open, SyncEnd, Write, read
from tests.faults.recording import Studio, by_id
from tests.faults.recovery import Verdict, lose_all_unsynced
from tests.faults.shim import Call
from tests.faults.supervisor import Supervisor, reasons_of
from tests.faults.sweep import DATABASE, FAULTS, LOG, Fault, sweep
from tests.faults.traffic import deliver
from tests.support.processes import ServiceProcess, free_port
from tests.support.service import wait_until
from tests.support.strategies import Sent

DEPTH = 2
SYNCS_OF_A_NEW_FOLDER = 4
"""By SQLite: for the journal and the WAL of the database and of the index."""

INDEX = "no write to the index"
"""The index decides no readiness: the log tells its trouble."""

LIVING = {
    "no room": Fault(Call.WRITE, errno.ENOSPC, ""),
    "no room for the database file": Fault(Call.WRITE, errno.ENOSPC, "app.db"),
    INDEX: Fault(Call.WRITE, errno.EIO, "app.db-index-wal"),
}
ENDING = {
    "no write": Fault(Call.WRITE, errno.EIO, ""),
    "no sync": Fault(Call.SYNC, errno.EIO, ""),
    "no sync and no open": Fault(Call.SYNC | Call.OPEN, errno.EIO, ""),
    "no sync of the database file": Fault(Call.SYNC, errno.EIO, "app.db"),
}
ACCEPTING = {
    "no room for the database file",
    INDEX,
    "no sync of the database file",
}
"""Where the WAL can be written and synced, a webhook is stored whatever else is wrong."""


def test_the_first_the_second_and_the_third_call_fail(library: Path, tmp_path: Path) -> None:
    found = sweep(Studio(library, tmp_path, 0), FAULTS, DEPTH)
    assert found.complaints == []
    assert (found.lost, found.twice) == (0, 0)
    assert found.faults > len(FAULTS) * DEPTH / 2
    assert found.refused > 0


def test_faults_that_the_service_outlives(library: Path, tmp_path: Path) -> None:
    """Nothing is acknowledged that is not stored; it is not ready, and ready again by itself."""

    def live_through(name: str) -> Verdict:
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        return _live_through(Studio(library, folder, 0), name)

    assert _not_kept(LIVING, live_through) == {}


def test_faults_that_end_the_service(library: Path, tmp_path: Path) -> None:
    """It ends with code 1 and one line, as often as it is started, until the disk works again."""

    def end_by(name: str) -> Verdict:
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        return _end_by(Studio(library, folder, 0), ENDING[name], name in ACCEPTING)

    assert _not_kept(ENDING, end_by) == {}


def _not_kept(faults: Mapping[str, Fault], judge: Callable[[str], Verdict]) -> dict[str, Verdict]:
    with ThreadPoolExecutor(len(faults)) as threads:
        verdicts = dict(zip(faults, threads.map(judge, faults), strict=True))
    return {name: verdict for name, verdict in verdicts.items() if not verdict.is_kept}


def _live_through(studio: Studio, name: str) -> Verdict:
    fault = LIVING[name]
    before, during, after = (studio.messages(name, 3) for name in ("before", "during", "after"))
    with ServiceProcess(studio.folder, studio.environment(str(DATABASE))) as process:
        assert [each.status for each in deliver(process.port, [before])] == [200] * 3
        with studio.shim.failing(*fault[:3]):
            exchanges = deliver(process.port, [during])
            if name in ACCEPTING:
                assert exchanges[0].status == 200
            else:
                assert {(each.status, each.retry_after) for each in exchanges} == {(503, "1")}
            if name == INDEX:
                assert process.wait_for_line("index_trouble")["level"] == "WARNING"
                assert process.get("/health/ready").status_code == 200
            else:
                wait_until(lambda: process.get("/health/ready").status_code == 503)
            assert process.get("/health/live").status_code == 200
            assert studio.shim.hits
        wait_until(lambda: process.get("/health/ready").status_code == 200)
        assert [each.status for each in deliver(process.port, [during + after])] == [200] * 6
        operations = read(studio.shim.journal)
        process.process.kill()
        process.wait()
    assert process.errors == ""
    return lose_all_unsynced(
        studio.folder, studio.before, operations, DATABASE, by_id([*before, *during, *after])
    )


def _end_by(studio: Studio, fault: Fault, is_accepting: bool) -> Verdict:
    before, during, after = (studio.messages(name, 3) for name in ("before", "during", "after"))
    with ServiceProcess(studio.folder, studio.environment(str(DATABASE))) as process:
        assert [each.status for each in deliver(process.port, [before])] == [200] * 3
        with studio.shim.failing(*fault[:3]):
            statuses = [each.status for each in deliver(process.port, [during])]
            assert statuses[0] == (200 if is_accepting else None)
            assert process.wait() == 1
            (line,) = process.log_lines("disk_failed")
            assert line["level"] == "ERROR"
            assert str(studio.shim.disk / DATABASE) in line["message"]
            assert process.errors == ""
            if not is_accepting:
                again = ServiceProcess(studio.folder, studio.environment(str(DATABASE), 2))
                assert again.wait() == 1
                assert len(reasons_of(again)) == 1
    with Supervisor(
        studio.folder, lambda start: studio.environment(str(DATABASE), 2 * start + 4)
    ) as service:
        assert service.starts == 1
        assert [each.status for each in service.deliver([during + after])] == [200] * 6
        operations = read(studio.shim.journal)
    assert service.complaints == []
    return lose_all_unsynced(
        studio.folder, studio.before, operations, DATABASE, by_id([*before, *during, *after])
    )


def test_the_reason_stands_on_standard_error_where_there_is_no_log(
    library: Path, tmp_path: Path
) -> None:
    studio = Studio(library, tmp_path, 0)
    reading, writing = os.pipe()
    os.close(reading)
    environment = studio.environment(str(DATABASE)) | {"PORT": free_port()}
    with ServiceProcess(studio.folder, environment, stdout=writing) as process:
        os.close(writing)
        with studio.shim.failing(Call.SYNC, errno.EIO, LOG):
            (exchange,) = deliver(process.port, [studio.messages("refused", 1)])
        assert exchange.status is None
        assert process.wait() == 1
    assert process.errors.startswith("DATABASE_URL: the disk failed under ")
    assert process.errors.count("\n") == 1


@pytest.mark.parametrize("delay_seconds", [0, 0.3, 0.5, 0.6])
def test_a_stop_while_a_checkpoint_fails(
    library: Path, tmp_path: Path, delay_seconds: float
) -> None:
    studio = Studio(library, tmp_path, 0)
    sent = studio.messages("stop", 30)
    with ServiceProcess(studio.folder, studio.environment(str(DATABASE))) as process:
        assert {each.status for each in deliver(process.port, [sent])} == {200}
        with studio.shim.failing(Call.SYNC, errno.EIO, "app.db", times=1):
            time.sleep(delay_seconds)
            code = process.stop()
            assert code == studio.shim.hits
        operations = read(studio.shim.journal)
    assert len(reasons_of(process)) == code
    verdict = lose_all_unsynced(studio.folder, studio.before, operations, DATABASE, by_id(sent))
    assert verdict.is_kept, verdict


def test_a_sync_of_the_database_file_that_fails_once_takes_nothing_with_it(
    library: Path, tmp_path: Path
) -> None:
    """The WAL is the only whole copy then: it must be checkpointed again from its first frame.

    A reader keeps a checkpoint from the last frames: it writes a part, and does not sync it. The
    sync that would cover that part fails, and the next one succeeds.
    """
    studio = Studio(library, tmp_path, 0)
    sent = studio.messages("checkpoint", 40)
    with studio.supervisor(str(DATABASE)) as service:
        database = studio.shim.disk / DATABASE

        def store(messages: list[Sent]) -> None:
            assert {each.status for each in service.deliver([messages])} == {200}

        store(sent[:15])
        uri = f"{database.as_uri()}?mode=ro"
        with closing(driver.connect(uri, uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM messages").fetchone()
            store(sent[15:20])
            wait_until(lambda: _count(studio, Write) > 0)
            assert _count(studio, SyncEnd) == 0
            with studio.shim.failing(Call.SYNC, errno.EIO, "app.db", times=1):
                reader.close()
                store(sent[20:21])
                wait_until(lambda: service.has_ended)
                assert studio.shim.hits == 1
        store(sent[21:30])
        wait_until(lambda: _count(studio, SyncEnd) > 1)
        store(sent[30:])  # over what the WAL had
        operations = read(studio.shim.journal)
    assert service.starts == 2
    assert service.complaints == []
    verdict = lose_all_unsynced(studio.folder, studio.before, operations, DATABASE, by_id(sent))
    assert verdict.is_kept, verdict


def test_a_start_after_a_failed_sync_builds_on_nothing_that_is_not_on_the_disk(
    library: Path, tmp_path: Path
) -> None:
    """A commit that could not be synced looks whole to the process that opens the WAL next."""
    studio = Studio(library, tmp_path, 0)
    before, refused, after = (studio.messages(name, 3) for name in ("before", "refused", "after"))
    with studio.supervisor(str(DATABASE)) as service:
        assert [each.status for each in service.deliver([before])] == [200] * 3
        with studio.shim.failing(Call.SYNC, errno.EIO, LOG, times=1):
            assert service.deliver([refused[:1]])[0].status is None
        assert service.starts == 2
        assert [each.status for each in service.deliver([after])] == [200] * 3
        operations = read(studio.shim.journal)
    assert service.complaints == []
    sent = by_id([*before, *refused, *after])
    verdict = lose_all_unsynced(studio.folder, studio.before, operations, DATABASE, sent)
    assert verdict.is_kept, verdict


def _count(studio: Studio, kind: type[Write] | type[SyncEnd]) -> int:
    """How often the database file was written or synced since the WAL was made."""
    opened: dict[int, str] = {}
    count = 0
    for operation in read(studio.shim.journal):
        if isinstance(operation, Open):
            opened[operation.fd] = operation.path
            count = 0 if operation.is_created and operation.path == LOG else count
        elif isinstance(operation, kind) and opened[operation.fd] == str(DATABASE):
            count += 1
    return count


def test_a_sync_of_the_folder_that_fails_while_nobody_looks(library: Path, tmp_path: Path) -> None:
    """SQLite syncs the folder when it makes a WAL, and ignores an error."""
    studio = Studio(library, tmp_path, 0)
    sent = studio.messages("start", 3)
    database = Path("new/app.db")
    with (
        studio.shim.failing(Call.SYNC, errno.EIO, "new", times=SYNCS_OF_A_NEW_FOLDER),
        ServiceProcess(studio.folder, studio.environment(str(database))) as process,
    ):
        assert studio.shim.hits == SYNCS_OF_A_NEW_FOLDER
        assert [each.status for each in deliver(process.port, [sent])] == [200] * 3
        operations = read(studio.shim.journal)
        process.process.kill()
    verdict = lose_all_unsynced(studio.folder, studio.before, operations, database, by_id(sent))
    assert verdict.is_kept, verdict


def test_a_folder_that_can_not_be_synced_is_a_reason_not_to_start(
    library: Path, tmp_path: Path
) -> None:
    studio = Studio(library, tmp_path, 0)
    with studio.shim.failing(Call.SYNC, errno.EIO, "new"):
        process = ServiceProcess(studio.folder, studio.environment("new/app.db"))
        try:
            assert process.wait() == 1
        finally:
            process.process.kill()
    assert process.errors.count("\n") == 1
    assert process.errors.startswith("DATABASE_URL: ")
    assert process.errors.endswith("Input/output error\n")
