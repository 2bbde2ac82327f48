"""What every store does with events: each once, together with its messages, or not at all."""

import asyncio
from typing import Any

import pytest

from service.messages.event import Event
from service.store.interface import (
    EventFilter,
    EventPosition,
    EventRow,
    Filter,
    Mended,
    Outcome,
    SourceTotals,
    Store,
    StoreError,
)
from tests.store.databases import Database, one_of_each_kind
from tests.store.events import event, row
from tests.store.messages import NOON, message
from tests.store.test_insert import STRINGS

pytestmark = [pytest.mark.anyio, one_of_each_kind]

CREATED, DUPLICATE, CONFLICT = Outcome.CREATED, Outcome.DUPLICATE, Outcome.CONFLICT
MIB = 2**20


async def everything(store: Store) -> list[EventRow]:
    """All events, by walking one at a time; they agree with the counts."""
    rows: list[EventRow] = []
    after: EventPosition | None = None
    while True:
        page = await store.events(EventFilter(), after, 1_000, 2**40)
        rows += page.rows
        if not page.has_more:
            break
        after = page.rows[-1].position
    totals = await store.source_totals()
    assert sum(each.event_count for each in totals) == len(rows)
    assert sum(each.problem_count for each in totals) == sum(bool(each.problem) for each in rows)
    return rows


async def message_ids(store: Store) -> list[str]:
    return [each.message_id for each in await store.page(Filter(), None, 0, 10_000)]


async def test_a_new_event_is_created_and_stored_as_it_is(store: Store) -> None:
    sent = event("a", problem="the body must be valid JSON in UTF-8")
    assert await store.insert([], [sent]) == [CREATED]
    assert await everything(store) == [row(sent)]
    assert await store.event("github", "a") == row(sent)
    assert await store.source_totals() == [SourceTotals("github", 1, 1, NOON)]


async def test_the_same_event_again_is_a_duplicate(store: Store) -> None:
    await store.insert([], [event("a")])
    later = event("a", received_at=NOON + 1, headers="{}", type=None)
    assert await store.insert([], [later]) == [DUPLICATE]
    assert await everything(store) == [row(event("a"))]


async def test_another_body_under_the_same_id_is_a_conflict_and_the_first_stays(
    store: Store,
) -> None:
    await store.insert([], [event("a")])
    assert await store.insert([], [event("a", body=b"")]) == [CONFLICT]
    assert await everything(store) == [row(event("a"))]


async def test_the_same_id_of_another_source_is_another_event(store: Store) -> None:
    both = [event("a"), event("a", source="stripe")]
    assert await store.insert([], both) == [CREATED, CREATED]
    assert await everything(store) == [row(each) for each in both]


async def test_a_batch_tells_its_own_duplicates_and_conflicts(store: Store) -> None:
    await store.insert([message("old")], [event("old")])
    messages = [message("old"), message("a")]
    events = [
        event("a"),
        event("old"),
        event("a"),
        event("b"),
        event("a", body=b"other"),
        event("old", body=b"other"),
        event("old"),
    ]
    assert await store.insert(messages, events) == [
        *(DUPLICATE, CREATED),
        *(CREATED, DUPLICATE, DUPLICATE, CREATED, CONFLICT, CONFLICT, DUPLICATE),
    ]
    assert await everything(store) == [row(event(name)) for name in ("a", "b", "old")]
    assert await message_ids(store) == ["a", "old"]


@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"a\0b\xff", bytes(range(256)) * 4_096],
    ids=["empty", "NUL", "bytes", "1 MiB"],
)
async def test_a_body_comes_back_byte_for_byte(store: Store, body: bytes) -> None:
    """Between others, so that a body that is cut wrongly shows."""
    batch = [event("a", body=b"before"), event("b", body=body), event("c", body=b"after")]
    assert await store.insert([], batch) == [CREATED] * 3
    assert await everything(store) == [row(each) for each in batch]
    assert await store.insert([], batch) == [DUPLICATE] * 3
    assert await store.insert([], [event("b", body=body + b"\0")]) == [CONFLICT]


@pytest.mark.parametrize("string", STRINGS.values(), ids=STRINGS.keys())
async def test_every_string_comes_back_as_it_went_in(store: Store, string: str) -> None:
    sent = Event(string, string, string, NOON, string, string, b"x", string, (message(string),))
    assert await store.insert([], [sent]) == [CREATED]
    assert await store.insert([], [sent]) == [DUPLICATE]
    assert await everything(store) == [row(sent)]
    assert await store.event(string, string) == row(sent)
    assert await store.event_of_message(string) == (string, string)


async def test_a_batch_of_a_thousand_is_one_like_any_other(store: Store) -> None:
    half = [event(f"{number:03}", body=b"%d" % number) for number in range(0, 1_000, 2)]
    whole = [event(f"{number:03}", body=b"%d" % number) for number in range(1_000)]
    assert await store.insert([], half) == [CREATED] * 500
    assert await store.insert([], whole) == [DUPLICATE, CREATED] * 500
    assert await everything(store) == [row(each) for each in whole]


async def test_bodies_of_a_mebibyte_are_a_batch_like_any_other(store: Store) -> None:
    batch = [event(f"{number}", body=bytes([number]) * MIB) for number in range(16)]
    assert await store.insert([], batch) == [CREATED] * 16
    assert await store.insert([], batch) == [DUPLICATE] * 16


async def test_messages_are_stored_with_the_event_that_brings_them(store: Store) -> None:
    await store.insert([message("old")])
    sent = event("a", messages=(message("one"), message("old", text="other"), message("two")))
    assert await store.insert([message("three")], [sent, event("b")]) == [CREATED] * 3
    assert await message_ids(store) == ["old", "one", "three", "two"]
    assert (await store.totals()).messages == 4
    assert await everything(store) == [row(sent), row(event("b"))]
    assert await store.event_of_message("one") == ("github", "a")
    assert await store.event_of_message("old") == ("github", "a")
    assert await store.event_of_message("three") is None
    assert (await store.page(Filter(message_id="old"), None, 0, 1))[0].text == "Hello"


async def test_an_event_that_is_not_new_brings_no_message(store: Store) -> None:
    await store.insert([], [event("a")])
    batch = [event("a", messages=(message("one"),)), event("a", messages=(message("two"),))]
    assert await store.insert([], batch) == [DUPLICATE, DUPLICATE]
    assert await message_ids(store) == []


async def test_a_message_may_come_with_two_events(store: Store) -> None:
    first, second = (
        event(name, received_at=NOON + at, messages=(message("m"),))
        for name, at in (("b", 0), ("a", 1))
    )
    assert await store.insert([], [first, second]) == [CREATED, CREATED]
    assert await everything(store) == [row(first), row(second)]
    assert await store.event_of_message("m") == ("github", "b")


async def test_an_imported_event_names_messages_that_are_stored_apart(store: Store) -> None:
    sent = event("a", message_ids=("m",))
    assert await store.insert([message("m")], [sent]) == [CREATED, CREATED]
    assert await store.event("github", "a") == row(sent)


async def test_a_failure_in_the_messages_leaves_no_event(database: Database, store: Store) -> None:
    batch = [event("a"), event("b", messages=(message("one"), message("refused")))]
    with database.refusing("refused"):
        with pytest.raises(StoreError):
            await store.insert([message("c")], batch)
        assert await everything(store) == []
        assert await message_ids(store) == []
        assert await store.insert([], [event("c")]) == [CREATED]
    assert await store.insert([message("c")], batch) == [CREATED] * 3


async def test_a_message_that_the_database_drops_leaves_no_event(
    database: Database, store: Store
) -> None:
    batch = [event("a", messages=(message("dropped"),))]
    with database.ignoring("dropped"), pytest.raises(StoreError):
        await store.insert([], batch)
    assert await everything(store) == []
    assert await store.insert([], batch) == [CREATED]


@pytest.mark.parametrize(
    "broken", [{"source": None}, {"headers": None}, {"received_at": None}, {"received_at": "noon"}]
)
async def test_what_the_database_cannot_hold_is_an_error_and_no_duplicate(
    store: Store, broken: Any
) -> None:
    with pytest.raises(StoreError):
        await store.insert([message("m")], [event("a"), event("b", **broken), event("c")])
    assert await everything(store) == []
    assert await message_ids(store) == []


async def test_two_stores_of_one_database_agree_on_who_was_first(database: Database) -> None:
    async with database.opened() as one, database.opened() as other:
        assert await one.insert([], [event("a")]) == [CREATED]
        both = [event("a", body=b"other"), event("b")]
        assert await other.insert([], both) == [CONFLICT, CREATED]
        assert await everything(one) == await everything(other)


async def test_batches_at_once_neither_deadlock_nor_count_wrongly(database: Database) -> None:
    """In opposite orders, of several sources, with messages in common."""
    names = [f"{number:02}" for number in range(40)]
    batches = [
        [
            event(name, source=f"s{int(name) % 3}", messages=(message(name),), problem="p")
            for name in order
        ]
        for order in (names, names[::-1])
    ]
    async with database.opened() as one, database.opened() as other:
        for _ in range(5):
            outcomes = await asyncio.gather(
                *(store.insert([], batch) for batch in batches for store in (one, other))
            )
            assert sum(each.count(CREATED) for each in outcomes) in (0, 40)
            assert await everything(one) == await everything(other)
        assert await message_ids(one) == names


async def test_an_event_that_is_not_there_is_none(store: Store) -> None:
    assert await store.event("github", "a") is None
    assert await store.event_of_message("a") is None
    assert await store.source_totals() == []


async def test_resolve_clears_the_problem_and_stores_the_messages(store: Store) -> None:
    await store.insert([message("old")], [event("a", problem="p"), event("b", problem="p")])
    outcomes = await store.resolve(
        [
            Mended("github", "a", [message("one"), message("old", text="other")]),
            Mended("github", "b", []),
        ]
    )
    assert outcomes == [CREATED, CONFLICT]
    assert await everything(store) == [
        row(event("a", messages=(message("one"), message("old")))),
        row(event("b")),
    ]
    assert await message_ids(store) == ["old", "one"]
    assert await store.event_of_message("one") == ("github", "a")
    assert (await store.totals()).messages == 2


async def test_to_resolve_twice_changes_nothing(store: Store) -> None:
    await store.insert([], [event("a", problem="p")])
    mended = [Mended("github", "a", [message("one")])]
    assert await store.resolve(mended) == [CREATED]
    assert await store.resolve(mended) == [DUPLICATE]
    assert await store.resolve([]) == []
    assert await everything(store) == [row(event("a", messages=(message("one"),)))]


async def test_to_resolve_what_is_not_there_stores_the_messages_alone(store: Store) -> None:
    assert await store.resolve([Mended("github", "a", [message("one")])]) == [CREATED]
    assert await everything(store) == []
    assert await store.event_of_message("one") is None


async def test_a_failure_while_resolving_leaves_the_problem(
    database: Database, store: Store
) -> None:
    await store.insert([], [event("a", problem="p")])
    with database.refusing("refused"), pytest.raises(StoreError):
        await store.resolve([Mended("github", "a", [message("one"), message("refused")])])
    assert await everything(store) == [row(event("a", problem="p"))]
    assert await message_ids(store) == []
