"""No statement for PostgreSQL uses what one of its relatives lacks (docs/portability.md)."""

import re
from pathlib import Path

import pytest

from tests.support.engines import LACKS, Lack
from tests.support.portability import find_faults, read_code, split_queries
from tests.support.service import ROOT

SQL = ROOT / "sql" / "postgres"
FILES = sorted(SQL.rglob("*.sql"))
PAGE = (ROOT / "docs" / "portability.md").read_text("utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def names_in(title: str) -> list[str]:
    """The names in code marks in the first cells of a section's table."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| ")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_there_are_statements() -> None:
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_statement_uses_no_feature_that_an_engine_lacks(file: Path) -> None:
    assert list(find_faults(file.read_text("utf-8"))) == []


def test_the_page_judges_every_statement() -> None:
    written = [
        str(file.relative_to(SQL)).removeprefix("queries/").removesuffix(".sql") for file in FILES
    ]
    wanted = [name for name in written if name != "schema"]  # the sum of the migrations
    assert sorted(names_in("The statements")) == sorted(wanted)


def test_the_page_describes_every_feature_that_a_statement_needs() -> None:
    features = set(re.findall(r"^\| ([A-Z])[ :]", section("The features"), re.MULTILINE))
    used = set()
    for line in section("The statements").splitlines():
        if line.startswith("| `"):
            used |= set(re.findall(r"\b[A-Z]\b", line.split("|")[2]))
    assert used == features


def test_every_claim_has_its_source() -> None:
    """Each footnote mark has a line with an address, and each line a mark."""
    text, _, notes = PAGE.partition("\n\n[^")
    sources = dict(re.findall(r"^\[\^(\w+)\]: (.*)$", f"[^{notes}", re.MULTILINE))
    assert set(re.findall(r"\[\^(\w+)\]", text)) == set(sources)
    assert [name for name, source in sources.items() if "https://" not in source] == []


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.name)
def test_a_feature_that_an_engine_lacks_is_found(lack: Lack) -> None:
    faults = list(find_faults(lack.sample))
    assert f"{lack.engine} lacks {lack.name}: {lack.url}" in faults


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.name)
def test_the_page_names_every_feature_that_is_looked_for(lack: Lack) -> None:
    assert lack.row in section("What no statement uses").splitlines()


def test_the_page_names_no_feature_that_is_not_looked_for() -> None:
    rows = [line for line in section("What no statement uses").splitlines() if "](https" in line]
    assert sorted(rows) == sorted(lack.row for lack in LACKS)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE messages (message_id TEXT PRIMARY KEY, seq BIGINT UNIQUE)",
        "CREATE TABLE messages (seq BIGINT PRIMARY KEY, message_id TEXT)",
        "CREATE TABLE IF NOT EXISTS messages (message_id TEXT, PRIMARY KEY (ts, message_id))",
        "CREATE TABLE texts (message_id TEXT, UNIQUE (folded_text))",
        "CREATE UNIQUE INDEX a ON messages (ts ASC, message_id)",
        "ALTER TABLE messages ADD CONSTRAINT a UNIQUE (ts)",
        "create unique index a on texts (folded_text asc)",
    ],
)
def test_a_key_without_the_distribution_column_is_found(sql: str) -> None:
    assert any("key" in fault for fault in find_faults(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM messages JOIN senders USING (from_msisdn)",
        "SELECT 1 FROM senders LEFT JOIN messages ON senders.from_msisdn = messages.from_msisdn",
        "SELECT 1 FROM a JOIN texts USING (message_id) JOIN b USING (c)",
        "SELECT 1 FROM messages, senders",
        "WITH a AS (SELECT 1 FROM senders, messages AS m) SELECT 1 FROM a",
        "SELECT (SELECT count(*) FROM messages CROSS JOIN senders) AS a",
        "select 1 from messages\njoin senders using (from_msisdn)",
    ],
)
def test_a_join_by_another_column_is_found(sql: str) -> None:
    assert any("is joined by" in fault for fault in find_faults(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM messages JOIN texts USING (message_id) WHERE (ts, message_id) > (1, '')",
        "SELECT 1 FROM a, unnest(b) AS one (message_id) JOIN messages USING (message_id)",
        "SELECT 1 FROM senders JOIN recipients USING (msisdn)",
        "DELETE FROM a WHERE b IN (SELECT b FROM a FOR UPDATE SKIP LOCKED) RETURNING b",
        "WITH a AS (SELECT 1 FROM b FOR UPDATE) SELECT 1 FROM messages",
        "INSERT INTO a SELECT 1 ON CONFLICT (b) DO UPDATE SET c = excluded.c",
        "INSERT INTO messages SELECT 1 FROM unnest(:a) ON CONFLICT (message_id) DO NOTHING",
        'CREATE TABLE messages (message_id TEXT COLLATE "C" PRIMARY KEY, ts TIMESTAMPTZ NOT NULL)',
        "CREATE TABLE messages (message_id TEXT, PRIMARY KEY (message_id))",
        "CREATE INDEX by_ts ON messages (ts ASC, message_id)",
        "CREATE INDEX by_from ON messages (from_msisdn, ts, message_id)",
        "CREATE INDEX a ON senders (message_count DESC, from_msisdn)",
        "CREATE INDEX texts_by_trigram ON texts USING gin (folded_text gin_trgm_ops)",
        "SELECT 'xmin / TEMP ''RULE', E'\\' CUBE' -- LISTEN; NOTIFY\n /* MERGE INTO /* a */ */",
    ],
)
def test_a_feature_of_every_engine_is_allowed(sql: str) -> None:
    assert list(find_faults(sql)) == []


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("CREATE INDEX a ON messages (ts, message_id)", "begins with ts"),
        (
            "WITH a AS (DELETE FROM b RETURNING c) INSERT INTO b SELECT c FROM a",
            "changes b twice",
        ),
        (
            "WITH a AS (UPDATE b SET c = 1), d AS (UPDATE b SET c = 2) SELECT 1",
            "changes b twice",
        ),
        (
            "WITH a AS (INSERT INTO messages SELECT 1) SELECT 1 FROM messages",
            "reads messages and changes it",
        ),
        ("SELECT 1 FROM messages WHERE ts > :since FOR UPDATE SKIP LOCKED", "are locked"),
        ("SELECT 1 FROM a WHERE b IN (SELECT b FROM texts FOR NO KEY UPDATE)", "are locked"),
    ],
)
def test_a_statement_with_another_meaning_elsewhere_is_found(sql: str, fault: str) -> None:
    assert any(fault in found for found in find_faults(sql))


def test_code_is_read_without_comments_and_strings() -> None:
    code = read_code("a -- b 'c\n'd''e' /* f /* g */ ' */ \"h'--\" E'i\\'j' $k$l -- m\n$k$ n")
    assert code.split() == ["a", "''", '"h\'--"', "''", "l", "n"]


def test_an_unended_comment_hides_what_follows() -> None:
    assert read_code("a /* b").split() == ["a"]


def test_queries_are_told_from_other_parentheses() -> None:
    found = split_queries("SELECT f(a) FROM (SELECT b FROM c WHERE d IN (SELECT 1)) AS e")
    assert found == ["SELECT 1", "SELECT b FROM c WHERE d IN ()", "SELECT f(a) FROM () AS e"]
