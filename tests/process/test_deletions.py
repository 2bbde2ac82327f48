"""Rows that others delete or change with SQL never cut a list, a walk or an export short."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from service.store.sqlite.connection import driver
from tests.support.kinds import environment_of, on_each_database, on_sqlite
from tests.support.postgres.databases import connected
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.senders import Senders
from tests.support.service import ROOT, Json, message, wait_until

pytestmark = on_each_database

Run = Callable[[str], Any]
IDS = [f"z{number}" for number in range(1, 10)]


@pytest.fixture
def process(tmp_path: Path, database_url: str) -> Iterator[ServiceProcess]:
    """A service with nine messages, all of them indexed and counted."""
    with serving(tmp_path, **environment_of(database_url)) as process:
        for number, message_id in enumerate(IDS):
            assert process.deliver(numbered(message_id, number)).status_code == 200
        wait_until(lambda: has_indexed_all(process))
        yield process


@pytest.fixture
def run(database_url: str) -> Run:
    """Runs SQL as an operator does, beside the service."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite:///")

        def run_on_file(sql: str) -> None:
            with closing(driver.connect(path, isolation_level=None)) as connection:
                connection.execute(sql)

        return run_on_file

    def run_on_server(sql: str) -> None:
        with connected(database_url) as execute:
            execute(sql)

    return run_on_server


def numbered(message_id: str, number: int) -> Json:
    sender = "+14155550100" if number % 2 else "+14155550177"
    return message(
        message_id=message_id, ts=f"2026-11-24T12:00:{number:02}Z", text=f"text {message_id}"
    ) | {"from": sender}


def has_indexed_all(process: ServiceProcess) -> bool:
    return "\nindex_lag_messages 0.0\n" in process.get("/metrics").text


def walk(process: ServiceProcess, limit: int, query: str = "") -> list[str]:
    """The ids of a walk by `next`."""
    found: list[str] = []
    page: Json = {"next": ""}
    while page["next"] is not None:
        cursor = f"&cursor={page['next']}" if page["next"] else ""
        page = process.get(f"/messages?limit={limit}{query}{cursor}").json()
        found += [row["message_id"] for row in page["data"]]
        assert len(page["data"]) == limit or page["next"] is None
    return found


def check_lists(process: ServiceProcess, expected: list[str]) -> None:
    for limit in (1, 2, 9):
        assert walk(process, limit) == expected
        for query in ("&to=%2B33612345678", "&q=te", "&q=text"):
            assert walk(process, limit, query) == expected, query
    assert [line["message_id"] for line in export(process)] == expected


def export(process: ServiceProcess) -> list[Json]:
    return [json.loads(line) for line in process.get("/messages/export").text.splitlines()]


@pytest.mark.parametrize(
    ("deletion", "left"),
    [
        ("DELETE FROM messages WHERE message_id = 'z1'", IDS[1:]),
        ("DELETE FROM messages WHERE message_id = 'z9'", IDS[:-1]),
        ("DELETE FROM messages WHERE message_id IN ('z4', 'z5')", IDS[:3] + IDS[5:]),
        ("DELETE FROM messages WHERE message_id < 'z9'", IDS[-1:]),
        ("DELETE FROM messages", []),
    ],
)
def test_deleted_rows_shorten_no_list(
    process: ServiceProcess, run: Run, deletion: str, left: list[str]
) -> None:
    run(deletion)
    check_lists(process, left)


def test_changed_rows_shorten_no_list(process: ServiceProcess, run: Run) -> None:
    run("UPDATE messages SET ts = (SELECT max(ts) FROM messages) WHERE message_id = 'z2'")
    run("UPDATE messages SET ts = (SELECT min(ts) FROM messages) WHERE message_id = 'z6'")
    for limit in (1, 2, 9):
        assert sorted(walk(process, limit)) == IDS


def test_an_erased_message_that_is_sent_again_is_stored_and_indexed(
    process: ServiceProcess, run: Run
) -> None:
    run("DELETE FROM messages WHERE message_id IN ('z3', 'z9')")
    assert process.deliver(numbered("z3", 2)).status_code == 200
    check_lists(process, IDS[:-1])
    wait_until(lambda: has_indexed_all(process))
    check_lists(process, IDS[:-1])
    assert process.get("/health/ready").status_code == 200


def reindex(database_url: str) -> tuple[int, str, str]:
    """The exit code, and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", "reindex"],
        cwd=ROOT,
        env=clean_environment(**environment_of(database_url)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_reindex_makes_the_searches_of_changed_texts_right(
    process: ServiceProcess, run: Run, database_url: str
) -> None:
    """The old words of a text that was removed or replaced must not be found."""
    for text in ("Secret", "S\u00c9CRET"):
        run(f"UPDATE messages SET text = '{text}' WHERE message_id <> 'z9'")  # noqa: S608
        assert reindex(database_url)[0] == 0
        assert walk(process, 100, f"&q={quote(text.lower())}") == IDS[:-1]
    run("UPDATE messages SET text = NULL WHERE message_id = 'z1'")
    run("UPDATE messages SET text = 'Removed' WHERE message_id = 'z2'")
    run("UPDATE messages SET text = 'z3' WHERE message_id = 'z3'")
    assert reindex(database_url)[0] == 0
    for _ in range(2):
        for q, found in {
            "\u00e9": IDS[3:8],
            "s\u00e9cret": IDS[3:8],
            "removed": ["z2"],
            "z3": ["z3"],
            "text z9": ["z9"],
        }.items():
            assert walk(process, 100, f"&q={quote(q)}") == found
        wait_until(partial(has_indexed_all, process))


def test_a_reindex_makes_the_counts_right(
    process: ServiceProcess, run: Run, database_url: str
) -> None:
    run("DELETE FROM messages WHERE message_id < 'z4'")
    run("UPDATE messages SET to_msisdn = '+15' WHERE message_id = 'z9'")
    assert reindex(database_url) == (0, "reindexed: 6 messages of 2 senders\n", "")
    assert process.get("/messages").json()["total"] == 6
    assert process.get("/messages?to=%2B15").json()["total"] == 1
    stats = process.get("/stats").json()
    assert stats["total_messages"] == 6
    assert [each["count"] for each in stats["messages_per_sender"]] == [3, 3]
    assert process.deliver(numbered("z0", 20)).status_code == 200
    wait_until(lambda: has_indexed_all(process))
    assert process.get("/stats").json()["total_messages"] == 7
    assert walk(process, 2) == [*IDS[3:], "z0"]


# An index file that is lost while the service runs


@on_sqlite
@pytest.mark.parametrize("harm", ["deleted", "malformed", "truncated"])
def test_an_index_that_is_lost_is_built_again(
    process: ServiceProcess, tmp_path: Path, harm: str
) -> None:
    index = tmp_path / "app.db-index"
    if harm == "deleted":
        index.unlink()
    else:
        (tmp_path / "app.db-index-wal").write_bytes(b"")
        size = index.stat().st_size
        index.write_bytes(b"\xff" * size if harm == "malformed" else b"")
    assert process.deliver(numbered("z0", 0)).status_code == 200
    wait_until(lambda: has_all(process))
    assert process.wait_for_line("index_rebuilt")["level"] == "WARNING"
    assert process.get("/health/ready").status_code == 200
    check_lists(process, ["z0", *IDS])
    assert len(process.log_lines("index_rebuilt")) == 1


@on_sqlite
def test_an_index_that_loses_its_wal_goes_on(process: ServiceProcess, tmp_path: Path) -> None:
    (tmp_path / "app.db-index-wal").unlink()
    assert process.deliver(numbered("z0", 0)).status_code == 200
    wait_until(lambda: has_all(process))
    check_lists(process, ["z0", *IDS])
    assert process.get("/health/ready").status_code == 200


@on_sqlite
def test_two_services_that_share_a_lost_index_build_it_once(
    process: ServiceProcess, tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "second").mkdir()
    with serving(tmp_path / "second", **environment_of(database_url)) as second:
        (tmp_path / "app.db-index").unlink()
        assert process.deliver(numbered("z0", 0)).status_code == 200
        assert second.deliver(numbered("y0", 10)).status_code == 200
        for each in (process, second):
            wait_until(partial(has_all, each, 11))
            wait_until(partial(has_indexed_all, each))
        identity = (tmp_path / "app.db-index").stat().st_ino
        for each in (process, second):
            check_lists(each, ["z0", *IDS, "y0"])
        assert (tmp_path / "app.db-index").stat().st_ino == identity
        rebuilt = [len(each.log_lines("index_rebuilt")) for each in (process, second)]
    assert sum(rebuilt) == 1


def has_all(process: ServiceProcess, count: int = len(IDS) + 1) -> bool:
    answer = process.get("/messages")
    return answer.status_code == 200 and answer.json()["total"] == count


@on_sqlite
def test_an_index_that_is_lost_under_load_is_built_again(
    process: ServiceProcess, tmp_path: Path
) -> None:
    with Senders(process.port, 2) as senders:
        senders.wait_for(20)
        (tmp_path / "app.db-index").unlink()
        process.wait_for_line("index_rebuilt")
        senders.wait_for(20)
