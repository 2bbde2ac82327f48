"""GET /sources: counts, the last arrival, and refusals, by source."""

import time
from pathlib import Path

import pytest

from service.messages.instants import parse_instant
from tests.support.api.events import event, store
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Json, Service, encode, message, running, signed

pytestmark = [pytest.mark.anyio, on_each_database]

NOTHING: Json = {
    "scheme": None,
    "events": 0,
    "problems": 0,
    "last_received_at": None,
    "rejections": {},
    "last_rejections": [],
}


GITHUB = NOTHING | {"scheme": "github"}


async def sources(service: Service) -> dict[str, Json]:
    answer = await service.get("/sources")
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert [each["source"] for each in data] == sorted(each["source"] for each in data)
    return {each.pop("source"): each for each in data}


async def test_the_source_of_messages_is_always_there(service: Service) -> None:
    assert await sources(service) == {"github": GITHUB, "webhook": NOTHING}


async def test_a_source_that_is_configured_is_there_with_its_scheme(
    tmp_path: Path, database_url: str
) -> None:
    variables = {"SOURCE_GITHUB_SECRET": "s", "SOURCE_MY_HUB_SECRET": "s"}
    variables["SOURCE_MY_HUB_SCHEME"] = "github"
    async with running(tmp_path, DATABASE_URL=database_url, **variables) as service:
        assert await sources(service) == {"github": GITHUB, "my-hub": GITHUB, "webhook": NOTHING}


async def test_events_of_a_source_that_is_not_configured_are_shown(five: Service) -> None:
    assert await sources(five) == {
        "github": GITHUB | {"events": 2, "last_received_at": "2026-11-23T12:00:00.000001Z"},
        "stripe": NOTHING
        | {"events": 2, "problems": 1, "last_received_at": "2026-11-23T12:00:00.000002Z"},
        "webhook": NOTHING
        | {"events": 1, "problems": 1, "last_received_at": "2026-11-23T12:00:01Z"},
    }


async def test_a_duplicate_counts_as_an_arrival(five: Service) -> None:
    before = time.time()
    await five.store(message(), message())
    webhook = (await sources(five))["webhook"]
    assert webhook["events"] == 1
    came = parse_instant(webhook["last_received_at"]) / 1_000_000
    assert before - 0.001 <= came <= time.time()


async def test_an_arrival_in_the_future_of_this_clock_stays(five: Service) -> None:
    """The clock of another instance may be ahead."""
    await store(five, event(ts="2099-01-01T00:00:00Z", source="webhook"))
    await five.store(message())
    assert (await sources(five))["webhook"]["last_received_at"] == "2099-01-01T00:00:00Z"


@on_sqlite
async def test_refusals_are_counted_by_reason_and_the_last_ten_are_shown(service: Service) -> None:
    body = encode(message())
    for _ in range(9):
        await service.deliver(body, {})
    await service.deliver(body, signed(b"other"))
    await service.deliver(message(**{"from": "+0"}))
    before = time.time()
    await service.deliver(b" " * (2**20 + 1))
    webhook = (await sources(service))["webhook"]
    assert webhook["rejections"] == {"missing": 9, "mismatch": 1, "from": 1, "too_large": 1}
    last = webhook["last_rejections"]
    assert [each["reason"] for each in last] == ["too_large", "from", "mismatch"] + ["missing"] * 7
    at = last[0].pop("refused_at")
    assert before - 0.001 <= parse_instant(at) / 1_000_000 <= time.time()
    assert last[0] == {"reason": "too_large", "client": "127.0.0.1", "body_bytes": 0}
    assert last[3]["body_bytes"] == len(body)
    assert list(last[3]) == ["refused_at", "reason", "client", "body_bytes"]
