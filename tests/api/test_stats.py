"""GET /stats: the counts agree with the stored messages."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.support.kinds import on_each_database
from tests.support.service import Json, Service, message, running

pytestmark = [pytest.mark.anyio, on_each_database]


async def stats(service: Service) -> Json:
    response = await service.get("/stats")
    assert response.status_code == 200, response.text
    content = response.json()
    assert isinstance(content, dict)
    return content


async def test_no_messages(service: Service) -> None:
    assert (await service.get("/stats")).text == (
        '{"total_messages":0,"senders_count":0,"messages_per_sender":[],'
        '"first_message_ts":null,"last_message_ts":null}'
    )


async def test_one_message(service: Service) -> None:
    await service.store(message())
    assert await stats(service) == {
        "total_messages": 1,
        "senders_count": 1,
        "messages_per_sender": [{"from": "+491701234567", "count": 1}],
        "first_message_ts": "2025-01-15T10:00:00Z",
        "last_message_ts": "2025-01-15T10:00:00Z",
    }


async def test_duplicates_count_once(service: Service) -> None:
    await service.store(message(), message(), message(**{"from": "+12"}), message(ts=LATER))
    content = await stats(service)
    assert (content["total_messages"], content["senders_count"]) == (1, 1)
    assert content["last_message_ts"] == "2025-01-15T10:00:00Z"


EARLIER, LATER = "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"


async def test_first_and_last_are_by_ts_and_not_by_arrival(service: Service) -> None:
    middle = "2025-01-15T10:00:00Z"
    for number, ts in enumerate([middle, LATER, EARLIER, middle]):
        await service.store(message(message_id=str(number), ts=ts))
    content = await stats(service)
    assert (content["first_message_ts"], content["last_message_ts"]) == (EARLIER, LATER)


async def test_the_ten_who_sent_most_by_count_then_by_number(service: Service) -> None:
    counts = {f"+49{number}": 1 + number % 3 for number in range(10, 23)}
    await service.store(
        *(
            message(message_id=f"{sender}-{number}", **{"from": sender})
            for sender, count in counts.items()
            for number in range(count)
        )
    )
    content = await stats(service)
    assert content["total_messages"] == sum(counts.values())
    assert content["senders_count"] == 13
    by_count = sorted(counts.items(), key=lambda sender: (-sender[1], sender[0]))
    assert [tuple(sender.values()) for sender in content["messages_per_sender"]] == by_count[:10]


async def test_numbers_are_ordered_as_text(service: Service) -> None:
    for sender in ("+9", "+10", "+100", "+2"):
        await service.deliver(message(message_id=sender, **{"from": sender + "0"}))
    senders = [sender["from"] for sender in (await stats(service))["messages_per_sender"]]
    assert senders == ["+100", "+1000", "+20", "+90"]


async def test_agrees_with_messages_at_any_time(service: Service) -> None:
    async def deliver() -> None:
        for number in range(60):
            await service.store(
                message(message_id=str(number % 40), **{"from": f"+49{number % 7 + 1}"})
            )

    async def compare() -> None:
        while not delivering.done():
            before = (await service.get("/messages")).json()["total"]
            content = await stats(service)
            after = (await service.get("/messages")).json()["total"]
            assert before <= content["total_messages"] <= after
            assert (
                sum(sender["count"] for sender in content["messages_per_sender"])
                == (content["total_messages"])
            )

    delivering = asyncio.create_task(deliver())
    await asyncio.gather(delivering, compare())
    rows = (await service.get("/messages")).json()["data"]
    shown = {
        sender["from"]: sender["count"] for sender in (await stats(service))["messages_per_sender"]
    }
    assert shown == Counter(row["from"] for row in rows)


async def test_counts_are_there_after_a_restart(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        await service.store(message(), message(message_id="m-2", ts=LATER))
        before = await stats(service)
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        assert await stats(service) == before
