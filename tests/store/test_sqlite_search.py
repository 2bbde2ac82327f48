"""Searches on SQLite: by the index of texts, by a scan, and which of them is cheaper."""

from contextlib import closing
from pathlib import Path

import pytest

from service.store.interface import Filter
from service.store.sqlite import reads
from service.store.sqlite.reads import match_parts
from tests.store.databases import Indexing, SqliteDatabase
from tests.store.messages import NOON, message, row
from tests.store.sqlite_index import MODEL, SENT, STORE_ONE_MORE, fill, opened
from tests.support.model import Model

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path)


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize(
    ("q", "indexing"),
    [("te", Indexing.AFTER), ("te", Indexing.NEVER), ("text number", Indexing.AFTER)],
)
async def test_a_long_search_is_of_one_moment_and_leaves_the_wal_alone(
    database: SqliteDatabase,
    monkeypatch: pytest.MonkeyPatch,
    q: str,
    indexing: Indexing,
    few: int,
) -> None:
    """It finds nothing that is stored between its chunks. The WAL can be checkpointed there."""
    monkeypatch.setattr(reads, "FEW_MESSAGES", few)
    monkeypatch.setattr(reads, "CHUNK_MESSAGES", 30)
    moved: list[tuple[int, int, int]] = []
    begin, begun = reads.Reads._begin, set[int]()

    def store_and_begin(read: reads.Reads) -> None:
        if id(read) in begun:
            with closing(database.connect()) as writer:
                writer.execute(STORE_ONE_MORE, (f"late {len(moved)}",))
                moved.append(writer.execute("PRAGMA wal_checkpoint").fetchone())
        begun.add(id(read))
        begin(read)

    chosen = Filter(q_folded=q)
    async with opened(database, indexing) as store:
        await store.insert(SENT)
        monkeypatch.setattr(reads.Reads, "_begin", store_and_begin)
        rows, count = await store.page_and_count(chosen, None, 0, 100)
        assert count == len(MODEL.matching(chosen))
        assert rows == MODEL.page(chosen, None, 0, 100)
        in_chunks = few == 0 or q == "te"
        assert [busy for busy, _, _ in moved] == [0, 0, 0, 0] * in_chunks
        assert all(frames == moved_frames for _, frames, moved_frames in moved)


PARTS = {
    "": "",
    "ab": "",
    "abc": '"abc"',
    "abcd": '"abc" AND "bcd"',
    "aaaaaa": '"aaa"',
    'a"b': '"a""b"',
    '"""': '""""""""',
    "👍👍👍": '"👍👍👍"',
}


@pytest.mark.parametrize(("q", "expression"), PARTS.items())
def test_a_search_is_for_all_its_parts_of_three_characters(q: str, expression: str) -> None:
    assert match_parts(q) == expression


FEW_BESIDE_A_COMMON_TEXT = {
    "in a range": Filter(since=NOON - 20, until=NOON - 15, q_folded="text number"),
    "in a range of some": Filter(since=NOON - 50, until=NOON - 15, q_folded="text number"),
    "of a sender": Filter(from_msisdn="+11", q_folded="text number"),
    "of a sender in a range": Filter("+11", since=NOON - 20, q_folded="text number"),
}


@pytest.mark.parametrize(
    "chosen", FEW_BESIDE_A_COMMON_TEXT.values(), ids=[*FEW_BESIDE_A_COMMON_TEXT]
)
@pytest.mark.parametrize("few_messages", [0, 2, 10])
async def test_a_search_for_a_common_text_can_be_narrowed(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, chosen: Filter, few_messages: int
) -> None:
    """The count must not read every message with the text, as it does if nothing is cheaper."""
    monkeypatch.setattr(reads, "FEW_MESSAGES", few_messages)
    await fill(database)
    (database.sql / "queries" / "count_by_text.sql").write_text("SELECT -1", "utf-8")
    async with opened(database) as store:
        expected = MODEL.matching(chosen)
        assert await store.page_and_count(chosen, None, 0, 100) == (expected, len(expected))
        assert (await store.page_and_count(Filter(q_folded="text number"), None, 0, 1))[1] == -1


@pytest.mark.parametrize("few_messages", [0, 1, 79, 80, 1_000])
async def test_a_text_that_many_unindexed_messages_have_is_not_held_in_memory(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, few_messages: int
) -> None:
    """After a lost index, all messages are unindexed."""
    monkeypatch.setattr(reads, "FEW_MESSAGES", few_messages)
    chosen = Filter(q_folded="text number")
    expected = MODEL.matching(chosen)
    assert len(expected) == 80
    if few_messages >= len(expected):
        for name in ("page_by_ts", "count_by_text"):
            (database.sql / "queries" / f"{name}.sql").write_text("SELECT -1", "utf-8")
    async with opened(database) as store:
        await store.insert(SENT)
        found = await store.page_and_count(chosen, None, 0, 100)
    assert found == (expected, len(expected))


SYNTAX = [
    *("and", " or ", "not x", "near(a b)", "folded_text:x", "{a}:b"),
    *("a*b", "^ab", "(((", "-abc", "a + b", "'' '", '"a" "b"', "a\\b\\c", "\ufffe\uffff\ufffd"),
]


@pytest.mark.parametrize("q", SYNTAX)
async def test_a_search_has_no_syntax(database: SqliteDatabase, q: str) -> None:
    sent = [message("a", text=f"x{q.upper()}y"), message("b", text="not, and; or x folded_text")]
    async with opened(database, Indexing.AFTER) as store:
        await store.insert(sent)
        rows, total = await store.page_and_count(Filter(q_folded=q), None, 0, 10)
    expected = Model.of(row(each) for each in sent).matching(Filter(q_folded=q))
    assert "a" in [each.message_id for each in expected]
    assert (rows, total) == (expected, len(expected))


async def test_the_longest_search_is_answered(database: SqliteDatabase) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 4_096)))
    async with opened(database, Indexing.AFTER) as store:
        await store.insert([message("a", text=text), message("b", text=text[:-1] + "a")])
        rows, total = await store.page_and_count(Filter(q_folded=text), None, 0, 10)
    assert ([each.message_id for each in rows], total) == (["a"], 1)


async def test_parts_of_a_search_apart_from_each_other_are_not_it(
    database: SqliteDatabase,
) -> None:
    async with opened(database, Indexing.AFTER) as store:
        await store.insert([message("a", text="abcd bcde"), message("b", text="abcde")])
        rows, total = await store.page_and_count(Filter(q_folded="abcde"), None, 0, 10)
    assert ([each.message_id for each in rows], total) == (["b"], 1)
