"""POST /webhook: acknowledged when stored, and stored once."""

import asyncio
from collections import Counter

import pytest

from tests.support.api.webhooks import failing_inserts, only_row
from tests.support.kinds import StoreClass, on_each_database
from tests.support.service import Json, Service, message

pytestmark = [pytest.mark.anyio, on_each_database]


async def test_a_message_is_acknowledged_and_can_be_read(service: Service) -> None:
    response = await service.deliver(message())
    assert (response.status_code, response.text) == (200, '{"status":"ok"}')
    assert response.headers["content-type"] == "application/json"
    assert await only_row(service) == message()


async def test_a_duplicate_is_acknowledged_and_changes_nothing(service: Service) -> None:
    await service.store(message(), message(), message(text="Other"), message(text=None))
    assert await only_row(service) == message()
    stats = (await service.get("/stats")).json()
    assert stats["total_messages"] == 1
    metrics = await service.metrics()
    assert metrics['webhook_requests_total{result="created",source="webhook"}'] == 1
    assert metrics['webhook_requests_total{result="duplicate",source="webhook"}'] == 3
    assert metrics["webhook_conflicts_total"] == 2


@pytest.mark.parametrize(
    ("change", "conflicts"),
    [
        pytest.param({}, 0, id="nothing"),
        pytest.param({"unknown": "new"}, 0, id="an unknown field"),
        pytest.param({"ts": "2025-01-15T10:00:00.000Z"}, 0, id="the same instant"),
        pytest.param({"from": "+12"}, 1, id="from"),
        pytest.param({"to": "+12"}, 1, id="to"),
        pytest.param({"ts": "2025-01-15T10:00:00.000001Z"}, 1, id="ts"),
        pytest.param({"text": "hello"}, 1, id="text"),
        pytest.param({"text": None}, 1, id="text to null"),
    ],
)
@pytest.mark.parametrize("is_concurrent", [False, True], ids=["in turn", "at once"])
async def test_what_makes_a_duplicate_a_conflict(
    service: Service, change: Json, conflicts: int, is_concurrent: bool
) -> None:
    first, second = service.deliver(message()), service.deliver(message(**change))
    if is_concurrent:
        responses = await asyncio.gather(first, second)
    else:
        responses = (await first, await second)
    assert [response.status_code for response in responses] == [200, 200]
    assert (await service.metrics())["webhook_conflicts_total"] == conflicts


async def test_an_old_delivery_is_as_good_as_a_new_one(service: Service) -> None:
    """The scheme signs no time: no delivery is stale, and a replay is a duplicate."""
    old = message(ts="2001-01-01T00:00:00Z")
    await service.store(old, message(message_id="m-2"), old)
    assert await service.ids() == ["m-1", "m-2"]
    assert (await service.metrics())[
        'webhook_requests_total{result="duplicate",source="webhook"}'
    ] == 1


async def test_an_empty_text_is_not_the_same_as_none(service: Service) -> None:
    await service.store(message(text=""), message(text=None))
    assert (await service.metrics())["webhook_conflicts_total"] == 1


async def test_ids_that_look_alike_are_different(service: Service) -> None:
    ids = ["a", "A", " a", "a ", "\u00e9", "e\u0301", "1", "01"]
    await service.store(*(message(message_id=message_id) for message_id in ids))
    assert Counter(await service.ids()) == Counter(ids)


async def test_100_concurrent_deliveries_of_5_ids_leave_5_messages(service: Service) -> None:
    messages = [message(message_id=f"m-{number % 5}") for number in range(100)]
    responses = await asyncio.gather(*map(service.deliver, messages))
    assert [response.status_code for response in responses] == [200] * 100
    assert await service.ids() == [f"m-{number}" for number in range(5)]
    metrics = await service.metrics()
    assert metrics['webhook_requests_total{result="created",source="webhook"}'] == 5
    assert metrics['webhook_requests_total{result="duplicate",source="webhook"}'] == 95
    assert metrics["webhook_conflicts_total"] == 0


async def test_a_failed_commit_is_told_and_may_be_retried(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_inserts(store_class, monkeypatch):
        response = await service.deliver(message())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json().keys() == {"detail"}
    assert await service.ids() == []
    assert (await service.metrics())[
        'webhook_requests_total{result="unavailable",source="webhook"}'
    ] == 1
    await service.store(message())
