"""Group commit of events: their outcomes, and the bounds of a batch and of the queue."""

import pytest

from service import ingest
from service.errors import Unavailable
from service.store.interface import Outcome
from tests.support.group_commit import Bench, all_of, event, message

pytestmark = pytest.mark.anyio


async def test_messages_and_events_share_a_commit(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    bench.store.results = [
        [Outcome.CREATED],
        [Outcome.CREATED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.CREATED],
    ]
    waiting = [
        bench.commit.submit_event(event("A")),
        bench.commit.submit(message("a")),
        bench.commit.submit_event(event("B")),
        bench.commit.submit(message("b")),
    ]
    assert bench.waiting() == 4
    bench.store.may_end.set()
    assert await all_of([first, *waiting]) == [
        Outcome.CREATED,
        *(Outcome.CONFLICT, Outcome.CREATED, Outcome.CREATED, Outcome.DUPLICATE),
    ]
    assert bench.store.batches == [["in flight"], ["a", "b", "A", "B"]]
    assert (bench.waiting(), bench.sample("ingest_batch_messages_sum")) == (0, 5)


async def test_an_event_alone_commits_at_once(bench: Bench) -> None:
    assert await bench.commit.submit_event(event("A")) is Outcome.CREATED


async def test_a_batch_has_a_bound_in_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the two bytes of their headers. One event is always taken."""
    monkeypatch.setattr(ingest, "BATCH_BYTES_MAX", 100)
    sizes = {"A": 48, "B": 48, "C": 1, "D": 500, "E": 98}
    await all_of([bench.commit.submit_event(event(name, size)) for name, size in sizes.items()])
    assert bench.store.batches == [["A", "B"], ["C"], ["D"], ["E"]]


async def test_what_an_event_brings_counts_in_a_batch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH_MESSAGES_MAX", 3)
    brings = {"A": 2, "B": 0, "C": 1, "D": 5}
    await all_of(
        [
            bench.commit.submit_event(event(name, 1, *[message("m")] * count))
            for name, count in brings.items()
        ]
    )
    assert bench.store.batches == [["A"], ["B", "C"], ["D"]]


async def test_a_full_queue_counts_messages_and_events(bench: Bench) -> None:
    await bench.store.begin_a_batch_that_stays(bench.commit)
    waiting = [bench.commit.submit(message(name)) for name in "abc"]
    waiting += [bench.commit.submit_event(event(name)) for name in "AB"]
    with pytest.raises(Unavailable, match="QUEUE_LIMIT"):
        bench.commit.submit_event(event("one too many"))
    with pytest.raises(Unavailable, match="QUEUE_LIMIT"):
        bench.commit.submit(message("one too many"))
    bench.store.may_end.set()
    assert await all_of(waiting) == [Outcome.CREATED] * 5


async def test_a_queue_has_a_bound_in_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "QUEUE_BYTES_MAX", 100)
    await bench.store.begin_a_batch_that_stays(bench.commit)
    waiting = [bench.commit.submit_event(event("A", 48)), bench.commit.submit_event(event("B", 48))]
    with pytest.raises(Unavailable, match="large events"):
        bench.commit.submit_event(event("C", 0))
    waiting.append(bench.commit.submit(message("a")))
    bench.store.may_end.set()
    assert await all_of(waiting) == [Outcome.CREATED] * 3
    # One that is larger by itself has the queue for itself.
    await bench.store.begin_a_batch_that_stays(bench.commit)
    alone = bench.commit.submit_event(event("D", 1_000))
    with pytest.raises(Unavailable, match="large events"):
        bench.commit.submit_event(event("E"))
    bench.store.may_end.set()
    assert await alone is Outcome.CREATED
    assert await bench.commit.submit_event(event("F", 98)) is Outcome.CREATED
