"""Texts that an older version has folded in another way are found after an upgrade."""

import json
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from service.messages.text import FOLDING
from service.store.migrate import load_migrations
from service.store.queries import sql_folder
from service.store.sqlite.connection import driver
from tests.support.kinds import environment_of, on_each_database
from tests.support.postgres.databases import Databases, connected
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import ROOT, message, wait_until

pytestmark = on_each_database

SEARCHES = {
    "turkish": ("\u0130STANBUL", "istanbul"),
    "dotless": ("\u0131\u015f\u0131k", "I\u015eIK"),
    "decomposed": ("CAFE\u0301", "caf\u00e9"),
    "composed": ("Caf\u00e9", "cafe\u0301"),
    "plain": ("Plain", "PLAIN"),
}
"""By the beginning of an id: a text, and a search that finds it."""

MIGRATIONS = {"sqlite": 1, "postgres": 2}
"""How many migrations there were when `fold` was `str.casefold`."""

INSTANT = {"sqlite": "{}", "postgres": "to_timestamp({})"}

RECORD = "INSERT INTO migrations VALUES ({}, '{}', '{}', {});"
INSERT = """
    INSERT INTO messages
        (message_id, from_msisdn, to_msisdn, ts, text, text_folded, created_at)
    WITH RECURSIVE numbers (number) AS (
        SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {count}
    )
    SELECT '{key}-' || number, '+4915112345', '+3361234567', {instant}, '{text}',
        nullif('{folded}', '{text}'), {instant}
    FROM numbers;
"""


FOLDED_AGAIN = """
    SELECT count(*) FROM messages
    WHERE folded_text IN ('istanbul', 'i\u015fik')
        OR text = 'CAFE\u0301' AND folded_text = 'caf\u00e9'
"""


def fetch(url: str, sql: str) -> list[tuple[Any, ...]]:
    if not url.startswith("sqlite"):
        return [tuple(row) for row in Databases(url).admin(sql)]
    with closing(driver.connect(url.removeprefix("sqlite:///"))) as file:
        rows: list[tuple[Any, ...]] = file.execute(sql).fetchall()
        return rows


def run_script(url: str, sql: str) -> None:
    if url.startswith("sqlite"):
        with closing(driver.connect(url.removeprefix("sqlite:///"))) as file:
            file.executescript(sql)
    else:
        with connected(url) as run:
            run(sql)


def make_old_database(url: str, count: int) -> None:
    """With `count` messages of each text."""
    kind = "sqlite" if url.startswith("sqlite") else "postgres"
    sql = (sql_folder(kind) / "queries" / "create_migrations.sql").read_text("utf-8")
    for number, name, digest, text in load_migrations(sql_folder(kind) / "migrations"):
        if number <= MIGRATIONS[kind]:
            now = INSTANT[kind].format(0)
            sql += text + RECORD.format(number, name, digest, now)
    for key, (text, _) in SEARCHES.items():
        sql += INSERT.format(
            key=key,
            count=count,
            text=text,
            folded=text.casefold(),
            instant=INSTANT[kind].format("number"),
        )
    run_script(url, sql)


def check_searches(process: ServiceProcess, count: int) -> None:
    for key, (_, q) in SEARCHES.items():
        others = {"decomposed", "composed"} if key.endswith("composed") else {key}
        page = process.request("GET", "/messages", params={"q": q, "limit": 100}).json()
        assert {row["message_id"].split("-")[0] for row in page["data"]} == others, key
        assert page["total"] == count * len(others)
        one = {"q": q, "message_id": f"{key}-{count}"}
        assert process.request("GET", "/messages", params=one).json()["total"] == 1


def test_old_texts_are_found_from_the_first_request_on(tmp_path: Path, database_url: str) -> None:
    make_old_database(database_url, count=2)
    environment = environment_of(database_url)
    for _ in range(2):
        with serving(tmp_path, **environment) as process:
            check_searches(process, count=2)
            wait_until(lambda: "\nindex_lag_messages 0.0\n" in process.get("/metrics").text)
            check_searches(process, count=2)
    export = [sys.executable, "-m", "service", "export", "--q", "I\u015eIK"]
    lines = subprocess.run(
        export, cwd=ROOT, env=clean_environment(**environment), capture_output=True, check=True
    ).stdout.splitlines()
    assert [json.loads(line)["message_id"] for line in lines] == ["dotless-1", "dotless-2"]


def test_several_starts_at_once_fold_all_texts(database_url: str) -> None:
    make_old_database(database_url, count=500)
    command = [sys.executable, "-W", "error", "-m", "service", "migrate"]
    environment = clean_environment(**environment_of(database_url))
    starts = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(4)]
    assert [start.wait() for start in starts] == [0] * 4
    assert fetch(database_url, FOLDED_AGAIN) == [(3 * 500,)]
    assert fetch(database_url, "SELECT version FROM folding") == [(FOLDING,)]


def test_an_older_service_can_store_nothing_in_its_own_folding(database_url: str) -> None:
    make_old_database(database_url, count=1)
    migrate = [sys.executable, "-W", "error", "-m", "service", "migrate"]
    environment = clean_environment(**environment_of(database_url))
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
    kind = "sqlite" if database_url.startswith("sqlite") else "postgres"
    values = {"key": "old", "count": 1, "text": "A", "folded": "a"}
    with pytest.raises(Exception, match="text_folded"):
        run_script(database_url, INSERT.format(**values, instant=INSTANT[kind].format("number")))


def test_a_start_that_is_killed_is_finished_by_the_next_one(
    tmp_path: Path, database_url: str
) -> None:
    count = 8_000
    make_old_database(database_url, count)

    def count_folded_again() -> int:
        return int(fetch(database_url, FOLDED_AGAIN)[0][0])

    def has_begun() -> bool:
        with suppress(Exception):  # the column has another name before
            return count_folded_again() > 0
        return False

    process = ServiceProcess(tmp_path, environment_of(database_url))
    process.wait_for_line("fold_texts")
    wait_until(has_begun)
    process.stop(signal.SIGKILL)
    assert count_folded_again() < 3 * count
    assert fetch(database_url, "SELECT version FROM folding") == [(1,)]
    export = subprocess.run(
        [sys.executable, "-m", "service", "export"],
        cwd=ROOT,
        env=clean_environment(**environment_of(database_url)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (export.returncode, export.stdout) == (1, "")
    assert "its texts have not been folded again" in export.stderr
    with serving(tmp_path, **environment_of(database_url)) as process:
        assert count_folded_again() == 3 * count
        check_searches(process, count)
        assert process.deliver(message(text="Yeni \u0130STANBUL")).status_code == 200
        assert process.get("/messages?q=yeni%20istanbul").json()["total"] == 1
