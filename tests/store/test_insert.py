"""What every store does with a batch: each message once, durably, or nothing of it at all."""

import asyncio
from typing import Any

import pytest

from service.messages.message import Message
from service.store.interface import Filter, Outcome, Row, Store, StoreError
from tests.store.databases import Database, one_of_each_kind
from tests.store.messages import NOON, message, row

pytestmark = [pytest.mark.anyio, one_of_each_kind]

CREATED, DUPLICATE, CONFLICT = Outcome.CREATED, Outcome.DUPLICATE, Outcome.CONFLICT
YEAR_1 = -62_135_596_800_000_000
YEAR_9999 = 253_402_300_799_999_999

STRINGS = {
    "as short as can be": "x",
    "255 characters of 4 bytes": "\U0010ffff" * 255,
    "noncharacters": "\ufffe\uffff\U0001fffe",
    "control characters": "\x01\x1f\x7f\x85",
    "line ends of all kinds": "\n\r\v\f\u2028\u2029",
    "a byte order mark first": "\ufeffa",
    "quotes and backslashes": """'"\\'';--""",
    "JSON": '{"a": [1, "b"]}',
    "a JSON keyword": "null",
    "digits": "00123",
    "a number with an exponent": "1e5",
    "a large number": "9223372036854775808",
    "a parameter": ":batch",
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd",
    "combining marks": "e\u0301\u0323",
    "emoji": "\U0001f469\u200d\U0001f469\U0001f3fd\U0001f1e9\U0001f1ea",
    "spaces around": " a ",
}


async def everything(store: Store) -> list[Row]:
    rows, total = await store.page_and_count(Filter(), None, 0, 100_000)
    assert total == len(rows)
    return rows


async def test_a_new_message_is_created_and_stored_as_it_is(store: Store) -> None:
    assert await store.insert([message("a")]) == [CREATED]
    assert await everything(store) == [row(message("a"))]


async def test_the_same_message_again_is_a_duplicate(store: Store) -> None:
    await store.insert([message("a")])
    assert await store.insert([message("a")]) == [DUPLICATE]
    assert await everything(store) == [row(message("a"))]


@pytest.mark.parametrize(
    "change",
    [
        {"from_msisdn": "+12"},
        {"to_msisdn": "+12"},
        {"ts": NOON + 1},
        {"text": "hello"},
        {"text": ""},
        {"text": None},
    ],
    ids=str,
)
async def test_another_message_under_the_same_id_is_a_conflict_and_the_first_stays(
    store: Store, change: Any
) -> None:
    await store.insert([message("a")])
    assert await store.insert([message("a", **change)]) == [CONFLICT]
    assert await everything(store) == [row(message("a"))]


async def test_a_batch_tells_its_own_duplicates_and_conflicts(store: Store) -> None:
    await store.insert([message("old")])
    batch = [
        message("a"),
        message("old"),
        message("a"),
        message("b"),
        message("a", text="other"),
        message("old", text="other"),
        message("old"),
    ]
    outcomes = await store.insert(batch)
    assert outcomes == [CREATED, DUPLICATE, DUPLICATE, CREATED, CONFLICT, CONFLICT, DUPLICATE]
    assert await everything(store) == [row(message(name)) for name in ("a", "b", "old")]


async def test_one_object_twice_in_a_batch_is_created_once(store: Store) -> None:
    twice = message("a")
    assert await store.insert([twice, twice]) == [CREATED, DUPLICATE]


async def test_an_empty_batch_is_no_error(store: Store) -> None:
    assert await store.insert([]) == []
    assert await everything(store) == []


async def test_a_batch_of_thousands_is_one_like_any_other(store: Store) -> None:
    half = [message(f"{number:04}") for number in range(0, 5_000, 2)]
    whole = [message(f"{number:04}") for number in range(5_000)]
    assert await store.insert(half) == [CREATED] * 2_500
    assert await store.insert(whole) == [DUPLICATE, CREATED] * 2_500
    assert await everything(store) == [row(each) for each in whole]


async def test_the_largest_messages_fit_into_one_batch(store: Store) -> None:
    batch = [message(f"{number:04}", text="\U0001f469" * 4_096) for number in range(1_000)]
    assert await store.insert(batch) == [CREATED] * 1_000
    assert await everything(store) == [row(each) for each in batch]


@pytest.mark.parametrize("string", STRINGS.values(), ids=STRINGS.keys())
async def test_every_string_comes_back_as_it_went_in(store: Store, string: str) -> None:
    sent = message(string, text=string)
    assert await store.insert([sent]) == [CREATED]
    assert await store.insert([sent]) == [DUPLICATE]
    assert await everything(store) == [row(sent)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("a", "a "), ("1", "01"), ("1", "1.0"), ("é", "e\u0301"), ("ß", "ss"), ("µ", "μ")],
    ids=ascii,
)
async def test_ids_that_look_alike_are_two(store: Store, one: str, other: str) -> None:
    assert await store.insert([message(one), message(other)]) == [CREATED, CREATED]
    assert await store.insert([message(other), message(one)]) == [DUPLICATE, DUPLICATE]


@pytest.mark.parametrize("text", [None, "", " "], ids=repr)
async def test_no_text_and_an_empty_one_are_kept_apart(store: Store, text: str | None) -> None:
    await store.insert([message("a", text=text)])
    assert (await everything(store))[0].text == text


@pytest.mark.parametrize(
    "ts", [YEAR_1, YEAR_1 + 1, -1, 0, 1, 2**53 + 1, YEAR_9999 - 1, YEAR_9999], ids=str
)
async def test_an_instant_is_kept_to_the_microsecond(store: Store, ts: int) -> None:
    await store.insert([message("a", ts=ts)])
    assert (await everything(store))[0].ts == ts
    totals = await store.totals()
    assert (totals.first_ts, totals.last_ts) == (ts, ts)


@pytest.mark.parametrize(
    "broken",
    [
        Message("broken", None, "+12", NOON, "x", None),  # type: ignore[arg-type]
        Message("broken", "+12", None, NOON, "x", None),  # type: ignore[arg-type]
        Message("broken", "+12", "+12", None, "x", None),  # type: ignore[arg-type]
        Message("broken", "+12", "+12", "noon", "x", None),  # type: ignore[arg-type]
    ],
    ids=["from is null", "to is null", "ts is null", "ts is a string"],
)
async def test_what_the_database_cannot_hold_is_an_error_and_no_duplicate(
    store: Store, broken: Message
) -> None:
    with pytest.raises(StoreError):
        await store.insert([message("a"), broken, message("b")])
    assert await everything(store) == []


async def test_a_message_that_the_database_drops_is_an_error_and_no_duplicate(
    database: Database, store: Store
) -> None:
    batch = [message("a"), message("dropped"), message("b")]
    with database.ignoring("dropped"), pytest.raises(StoreError):
        await store.insert(batch)
    assert row(message("dropped")) not in await everything(store)
    assert (await store.insert(batch))[1] is CREATED


async def test_a_failed_batch_leaves_nothing_and_the_next_one_is_stored(
    database: Database, store: Store
) -> None:
    batch = [message("a"), message("refused"), message("b")]
    with database.refusing("refused"):
        with pytest.raises(StoreError):
            await store.insert(batch)
        assert await everything(store) == []
        assert (await store.totals()).messages == 0
        assert await store.insert([message("c")]) == [CREATED]
    assert await store.insert(batch) == [CREATED] * 3


async def test_an_error_holds_no_message_data(database: Database, store: Store) -> None:
    with database.refusing("refused"), pytest.raises(StoreError) as error:
        await store.insert([message("refused", text="a secret")])
    assert "a secret" not in str(error.value)


async def test_a_batch_waits_in_vain_for_a_lock_and_the_next_one_is_stored(
    database: Database, store: Store
) -> None:
    with database.locked(), pytest.raises(StoreError):
        await store.insert([message("a")])
    assert await everything(store) == []
    assert await store.insert([message("a")]) == [CREATED]


async def test_what_is_stored_is_there_for_the_next_store(database: Database) -> None:
    async with database.opened() as store:
        await store.insert([message("a")])
    async with database.opened() as store:
        assert await everything(store) == [row(message("a"))]
        assert await store.insert([message("a")]) == [DUPLICATE]


async def test_two_stores_of_one_database_agree_on_who_was_first(database: Database) -> None:
    async with database.opened() as one, database.opened() as other:
        assert await one.insert([message("a")]) == [CREATED]
        assert await other.insert([message("a"), message("b")]) == [DUPLICATE, CREATED]
        assert await everything(one) == await everything(other)


async def test_an_insert_that_nobody_waits_for_breaks_nothing(store: Store) -> None:
    task = asyncio.create_task(store.insert([message(f"{number}") for number in range(1_000)]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.insert([message("a")]) == [CREATED]
    assert len(await everything(store)) in (1, 1_001)
