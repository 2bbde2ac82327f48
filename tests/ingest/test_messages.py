"""Group commit of messages."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from service import ingest
from service.errors import Unavailable
from service.ingest import GroupCommit
from service.store.interface import DatabaseSilent, Outcome, Store, StoreError
from service.telemetry.metrics import Metrics
from tests.support.group_commit import Bench, all_of, event, message
from tests.support.service import parse_lines

pytestmark = pytest.mark.anyio


async def test_alone_a_message_commits_at_once(bench: Bench) -> None:
    for message_id in "ab":
        assert await bench.commit.submit(message(message_id)) is Outcome.CREATED
    assert bench.store.batches == [["a"], ["b"]]


async def test_what_arrives_during_a_commit_shares_the_next_one(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    others = [bench.commit.submit(message(message_id)) for message_id in "abcd"]
    assert bench.waiting() == 4
    assert not first.done()
    bench.store.may_end.set()
    assert await all_of([first, *others]) == [Outcome.CREATED] * 5
    assert bench.store.batches == [["in flight"], ["a", "b", "c", "d"]]
    assert bench.waiting() == 0


@pytest.mark.parametrize("bench", [2], indirect=True)
async def test_a_store_gets_as_many_batches_at_a_time_as_it_takes(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    second = await bench.store.begin_a_batch_that_stays(bench.commit)
    others = [bench.commit.submit(message(message_id)) for message_id in "abc"]
    await asyncio.sleep(0.01)
    assert bench.store.batches == [["in flight"], ["in flight"]]
    assert bench.waiting() == 3
    closing = asyncio.create_task(bench.commit.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    bench.store.may_end.set()
    assert await all_of([first, second, *others]) == [Outcome.CREATED] * 5
    assert bench.store.batches[2:] == [["a", "b", "c"]]
    await closing


@pytest.mark.parametrize("bench", [2], indirect=True)
async def test_a_batch_that_fails_beside_another_fails_alone(bench: Bench) -> None:
    bench.store.results = [StoreError("lost"), [Outcome.CREATED]]
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    second = await bench.store.begin_a_batch_that_stays(bench.commit)
    bench.store.may_end.set()
    failed, stored = await all_of([first, second])
    assert isinstance(failed, Unavailable)
    assert stored is Outcome.CREATED


async def test_nobody_is_answered_before_the_commit_has_returned(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not first.done()
    bench.store.may_end.set()
    assert await first is Outcome.CREATED


async def test_a_batch_has_a_bound(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH_MESSAGES_MAX", 2)
    await all_of([bench.commit.submit(message(message_id)) for message_id in "abcde"])
    assert bench.store.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_each_message_gets_its_own_outcome(bench: Bench) -> None:
    outcomes = [Outcome.DUPLICATE, Outcome.CREATED, Outcome.CONFLICT]
    bench.store.results = [outcomes]
    assert await all_of([bench.commit.submit(message(name)) for name in "abc"]) == outcomes


# The bound of the queue


async def test_a_full_queue_refuses_at_once(bench: Bench) -> None:
    await bench.store.begin_a_batch_that_stays(bench.commit)
    waiting = [bench.commit.submit(message(message_id)) for message_id in "abcde"]
    for _ in range(2):
        with pytest.raises(Unavailable, match="QUEUE_LIMIT") as raised:
            bench.commit.submit(message("one too many"))
        assert raised.value.status == 503
    bench.store.may_end.set()
    assert await all_of(waiting) == [Outcome.CREATED] * 5
    assert await bench.commit.submit(message("again")) is Outcome.CREATED
    assert "one too many" not in [name for batch in bench.store.batches for name in batch]


# Failure


@pytest.mark.parametrize("error", [StoreError("disk I/O error"), ZeroDivisionError("mark")])
async def test_a_failed_batch_fails_all_of_its_messages_and_no_other(
    bench: Bench, error: Exception
) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    failing = [bench.commit.submit(message(message_id)) for message_id in "ab"]
    failing.append(bench.commit.submit_event(event("A")))
    bench.store.results = [[Outcome.CREATED], error]
    bench.store.may_end.set()
    outcomes = await all_of([first, *failing])
    assert outcomes[0] is Outcome.CREATED
    assert [type(outcome) for outcome in outcomes[1:]] == [Unavailable] * 3
    assert await bench.commit.submit(message("d")) is Outcome.CREATED


async def test_nobody_waits_behind_a_batch_that_the_database_did_not_answer(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    behind = [bench.commit.submit(message("a")), bench.commit.submit_event(event("A", 1_000))]
    bench.store.results = [DatabaseSilent("not in time")]
    bench.store.may_end.set()
    outcomes = await all_of([first, *behind])
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert bench.store.batches == [["in flight"]]
    assert await bench.commit.submit(message("c")) is Outcome.CREATED


@pytest.mark.parametrize("count", [0, 1, 2, 4])
async def test_a_wrong_number_of_outcomes_is_a_failed_batch(bench: Bench, count: int) -> None:
    """Nobody knows whose outcome is missing, and nobody may wait for ever."""
    bench.store.results = [[Outcome.CREATED] * count]
    outcomes = await all_of([bench.commit.submit(message(name)) for name in "abc"])
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert await bench.commit.submit(message("d")) is Outcome.CREATED


async def test_a_failure_is_logged_once_and_without_data(bench: Bench, tmp_path: Path) -> None:
    bench.store.results = [StoreError("disk I/O error"), ZeroDivisionError("mark")]
    await all_of([bench.commit.submit(message(name)) for name in "abc"])
    await all_of([bench.commit.submit(message("d"))])
    await bench.commit.close()
    bench.commit._log.close()
    lines = parse_lines((tmp_path / "log").read_bytes())
    assert [(line["event"], line["level"], line["messages"]) for line in lines] == [
        ("commit_failed", "ERROR", 3),
        ("commit_failed", "ERROR", 1),
    ]
    assert lines[0]["reason"] == "disk I/O error"
    assert lines[1]["reason"].startswith("ZeroDivisionError")
    assert "mark" not in lines[1]["reason"]


# Whoever stops waiting


async def test_a_waiter_that_leaves_its_place_breaks_nothing(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    waiting = [bench.commit.submit(message(message_id)) for message_id in "abc"]
    first.cancel()
    waiting[1].cancel()
    bench.store.may_end.set()
    outcomes = await all_of(waiting)
    assert (outcomes[0], outcomes[2]) == (Outcome.CREATED, Outcome.CREATED)
    assert await bench.commit.submit(message("d")) is Outcome.CREATED


async def test_a_waiter_may_leave_a_batch_that_fails(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    first.cancel()
    bench.store.results = [StoreError("disk I/O error")]
    bench.store.may_end.set()
    assert await bench.commit.submit(message("a")) is Outcome.CREATED


# The end


async def test_closing_waits_for_all_that_was_taken(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    others = [bench.commit.submit(message(message_id)) for message_id in "abc"]
    closing = asyncio.create_task(bench.commit.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="stopping"):
        bench.commit.submit(message("late"))
    with pytest.raises(Unavailable, match="stopping"):
        bench.commit.submit_event(event("late"))
    assert not closing.done()
    bench.store.may_end.set()
    await asyncio.wait_for(closing, 10)
    assert all(future.done() for future in (first, *others))
    assert await all_of([first, *others]) == [Outcome.CREATED] * 4


async def test_closing_waits_for_a_batch_that_fails(bench: Bench) -> None:
    first = await bench.store.begin_a_batch_that_stays(bench.commit)
    other = bench.commit.submit(message("a"))
    bench.store.results = [StoreError("disk I/O error"), StoreError("disk I/O error")]
    closing = asyncio.create_task(bench.commit.close())
    await asyncio.sleep(0)
    bench.store.may_end.set()
    await asyncio.wait_for(closing, 10)
    assert [type(outcome) for outcome in await all_of([first, other])] == [Unavailable] * 2


async def test_closing_twice_is_closing_once(bench: Bench) -> None:
    await bench.commit.close()
    await bench.commit.close()


async def test_closing_what_never_started_returns(bench: Bench) -> None:
    commit = GroupCommit(cast(Store, bench.store), Metrics(()), bench.commit._log, 5)
    await asyncio.wait_for(commit.close(), 10)


# What is measured


async def test_only_commits_are_measured(bench: Bench) -> None:
    await all_of([bench.commit.submit(message(name)) for name in "abc"])
    bench.store.results = [StoreError("disk I/O error")]
    await all_of([bench.commit.submit(message("d"))])
    assert bench.sample("ingest_batch_messages_count") == 1
    assert bench.sample("ingest_batch_messages_sum") == 3
    assert bench.sample("ingest_commit_duration_seconds_count") == 1
