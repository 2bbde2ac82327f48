"""Every store gives its events in order, filtered and page by page, and counts their sources."""

import asyncio
import itertools
import random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.messages.event import Event
from service.store.interface import (
    INSTANT_MAX,
    INSTANT_MIN,
    EventFilter,
    EventPosition,
    EventRow,
    SourceTotals,
    Store,
)
from tests.store.databases import Database, one_of_each_kind
from tests.store.events import event, row
from tests.store.messages import NOON, message

pytestmark = [pytest.mark.anyio, one_of_each_kind]

EVERYTHING = 2**40
SOURCES = ("a", "b", "webhook")
TYPES = ("push", "ping", None)
INSTANTS = (NOON - 1, NOON, NOON + 1, NOON + 1_000_000)
PROBLEMS = (None, "a problem")
# Every combination of few values. In one source ids go up with the instants, in one down.
SENT = [
    event(
        f"{number if source == 'a' else 99 - number:02}",
        source=source,
        type=type_,
        received_at=received_at,
        problem=problem,
        body=b"x" * (number % 7),
    )
    for number, (received_at, source, type_, problem) in enumerate(
        itertools.product(INSTANTS, SOURCES, TYPES, PROBLEMS)
    )
]

FILTERS = [
    EventFilter(source, type_, has_problem, since, until, is_descending)
    for source in (None, "a", "nobody")
    for type_ in (None, "push", "pull")
    for has_problem in (None, True, False)
    for since, until in (
        (INSTANT_MIN, INSTANT_MAX),
        (NOON, INSTANT_MAX),
        (INSTANT_MIN, NOON),
        (NOON, NOON + 1),
        (NOON + 1, NOON),
    )
    for is_descending in (False, True)
]


class Model(NamedTuple):
    """What a store must give for these events."""

    rows: list[EventRow]

    def events(self, chosen: EventFilter) -> list[EventRow]:
        found = [
            row
            for row in self.rows
            if chosen.source in (None, row.source)
            and chosen.type in (None, row.type)
            and chosen.has_problem in (None, row.problem is not None)
            and chosen.since <= row.received_at < chosen.until
        ]
        return sorted(found, key=lambda row: row.position, reverse=chosen.is_descending)


MODEL = Model([row(each) for each in SENT])


async def walk(
    store: Store, chosen: EventFilter, limit: int, bytes_max: int = EVERYTHING
) -> list[list[EventRow]]:
    """All pages."""
    pages: list[list[EventRow]] = []
    after: EventPosition | None = None
    while True:
        page = await store.events(chosen, after, limit, bytes_max)
        pages.append(page.rows)
        if not page.has_more:
            return pages
        after = page.rows[-1].position


async def test_every_filter_gives_its_events_in_order(store: Store) -> None:
    shuffled = random.Random(1).sample(SENT, len(SENT))
    for begin in range(0, len(shuffled), 10):
        await store.insert([], shuffled[begin : begin + 10])
    for chosen in FILTERS:
        expected = MODEL.events(chosen)
        page = await store.events(chosen, None, 100, EVERYTHING)
        assert page == (expected, False), chosen
        pages = await walk(store, chosen, 7)
        assert list(itertools.chain.from_iterable(pages)) == expected, chosen
        assert all(len(each) == 7 for each in pages[:-1])


async def test_a_page_that_is_full_at_the_end_has_no_more(store: Store) -> None:
    await store.insert([], SENT[:10])
    page = await store.events(EventFilter(), None, 10, EVERYTHING)
    assert (len(page.rows), page.has_more) == (10, False)
    page = await store.events(EventFilter(), None, 9, EVERYTHING)
    assert (len(page.rows), page.has_more) == (9, True)
    assert await store.events(EventFilter(source="nobody"), None, 9, 0) == ([], False)


@pytest.mark.parametrize(
    ("sizes", "bytes_max", "expected"),
    [
        ([10, 10, 10], 30, [3]),
        ([10, 10, 10], 29, [2, 1]),
        ([50, 10, 10], 20, [1, 2]),
        ([10, 50, 10], 20, [1, 1, 1]),
        ([0, 0, 0], 0, [3]),
        ([1, 0, 1], 0, [1, 1, 1]),
    ],
)
async def test_a_page_ends_before_its_bodies_are_too_large(
    store: Store, sizes: list[int], bytes_max: int, expected: list[int]
) -> None:
    sent = [event(f"{place}", body=b"x" * size) for place, size in enumerate(sizes)]
    await store.insert([], sent)
    for is_descending in (False, True):
        pages = await walk(store, EventFilter(is_descending=is_descending), 10, bytes_max)
        lengths = [len(page) for page in pages]
        assert lengths == expected if not is_descending else sum(lengths) == len(sizes)
        assert all(
            sum(len(each.body) for each in page) <= bytes_max or len(page) == 1 for page in pages
        )


async def test_a_walk_begins_again_at_a_deleted_event(database: Database, store: Store) -> None:
    """It goes on behind its place, and a page has as many events as there are."""
    await store.insert([], SENT)
    for chosen in (EventFilter(), EventFilter(is_descending=True), EventFilter(source="a")):
        expected = MODEL.events(chosen)
        page = await store.events(chosen, None, 10, EVERYTHING)
        gone = page.rows[-1]
        name = f"source = '{gone.source}' AND event_id = '{gone.event_id}'"
        database.execute(f"DELETE FROM events WHERE {name}")  # noqa: S608
        rest = await store.events(chosen, gone.position, 100, EVERYTHING)
        assert rest.rows == expected[10:]
        await store.insert([], [each for each in SENT if row(each) == gone])


async def test_deleted_events_cut_nothing_short(database: Database, store: Store) -> None:
    await store.insert([], SENT)
    database.execute("DELETE FROM events WHERE type = 'push'")
    for chosen in (EventFilter(), EventFilter(source="a"), EventFilter(has_problem=True)):
        expected = [each for each in MODEL.events(chosen) if each.type != "push"]
        pages = await walk(store, chosen, 5)
        assert list(itertools.chain.from_iterable(pages)) == expected
        assert all(len(each) == 5 for each in pages[:-1])


async def test_a_message_whose_event_was_deleted_has_none(database: Database, store: Store) -> None:
    await store.insert([], [event("a", messages=(message("m"),))])
    database.execute("DELETE FROM events")
    assert await store.event_of_message("m") is None


async def test_reindex_counts_the_events_of_each_source_again(
    database: Database, store: Store
) -> None:
    await store.insert([], SENT)
    right = [SourceTotals(source, 24, 12, INSTANTS[-1]) for source in SOURCES]
    assert await store.source_totals() == right
    database.execute("DELETE FROM events WHERE source = 'b' OR (source = 'a' AND problem IS NULL)")
    database.execute("UPDATE sources SET event_count = 7, problem_count = -7")
    await store.reindex()
    assert await store.source_totals() == [
        SourceTotals("a", 12, 12, INSTANTS[-1]),
        SourceTotals("b", 0, 0, None),
        right[2],
    ]
    database.execute("DELETE FROM sources")
    await store.reindex()
    await store.insert([], [event("new", source="b", problem="p")])
    assert await store.source_totals() == [
        SourceTotals("a", 12, 12, INSTANTS[-1]),
        SourceTotals("b", 1, 1, NOON),
        right[2],
    ]


async def test_reindex_loses_no_count_of_events_that_are_stored_meanwhile(
    database: Database,
) -> None:
    async with database.opened() as one, database.opened() as other:
        for number in range(20):
            stored = asyncio.create_task(
                one.insert([], [event(f"{number}-{each}") for each in range(20)])
            )
            await other.reindex()
            await stored
        assert await one.source_totals() == [SourceTotals("github", 400, 0, NOON)]


async def test_a_source_needs_no_count_of_its_own_to_be_found_again(store: Store) -> None:
    """Of many sources, each with few events: a page merges them all."""
    sent = [event("x", source=f"{number:03}", received_at=NOON - number) for number in range(300)]
    await store.insert([], sent)
    page = await store.events(EventFilter(), None, 10, EVERYTHING)
    assert page == ([row(each) for each in reversed(sent[-10:])], True)


events = st.builds(
    Event,
    source=st.sampled_from(["a", "b"]),
    event_id=st.text("01", min_size=1, max_size=3),
    type=st.sampled_from(TYPES),
    received_at=st.integers(NOON, NOON + 3),
    headers=st.just("{}"),
    content_type=st.none(),
    body=st.binary(max_size=3),
    problem=st.sampled_from(PROBLEMS),
)
filters = st.builds(
    EventFilter,
    st.sampled_from([None, "a", "b"]),
    st.sampled_from(TYPES),
    st.sampled_from([None, True, False]),
    st.integers(NOON, NOON + 3) | st.just(INSTANT_MIN),
    st.integers(NOON, NOON + 3) | st.just(INSTANT_MAX),
    st.booleans(),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.lists(events, max_size=6), max_size=4),
    filters,
    st.integers(1, 4),
    st.integers(0, 8),
)
async def test_any_batches_agree_with_a_model(
    database: Database,
    store: Store,
    batches: list[list[Event]],
    chosen: EventFilter,
    limit: int,
    bytes_max: int,
) -> None:
    database.execute("DELETE FROM events")
    database.execute("DELETE FROM sources")
    model: dict[tuple[str, str], EventRow] = {}
    for batch in batches:
        await store.insert([], batch)
        for each in batch:
            model.setdefault((each.source, each.event_id), row(each))
    expected = Model(list(model.values())).events(chosen)
    pages = await walk(store, chosen, limit, bytes_max)
    assert list(itertools.chain.from_iterable(pages)) == expected
    assert await store.source_totals() == [
        SourceTotals(
            source,
            len(rows),
            sum(each.problem is not None for each in rows),
            max(each.received_at for each in rows),
        )
        for source in ("a", "b")
        if (rows := [each for each in model.values() if each.source == source])
    ]
