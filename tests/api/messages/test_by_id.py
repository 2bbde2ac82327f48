"""GET /messages/{message_id}, and the parameter message_id."""

from urllib.parse import quote

import pytest

from service.messages.message import decode_message
from tests.support.api.lists import BERT, CARL, assert_refused, ids, page
from tests.support.group_commit import event
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Service, encode, message

pytestmark = [pytest.mark.anyio, on_each_database]

IDS = [
    "m-1",
    "a/b",
    "/",
    "a b",
    "%2F",
    "100%",
    "?x=1&y#z",
    "é",
    "\N{PARTY POPPER}" * 255,
    "+",
    "feed",
    "a\n",
]


async def test_one_message_by_its_id(service: Service) -> None:
    sent = [message(message_id=each) for each in IDS]
    await service.store(*sent)
    for each in sent:
        answer = await service.get("/messages/" + quote(each["message_id"], safe=""))
        assert (answer.status_code, answer.json()) == (200, each)
        assert answer.headers["content-type"] == "application/json"
        found = await page(service, message_id=each["message_id"])
        assert (found["data"], found["total"], found["next"]) == ([each], 1, None)


async def test_what_is_not_there_is_404(five: Service) -> None:
    for path in (
        "9",
        "1%00",
        "%",
        "%zz",
        "1%",
        "%FF",
        "%ED%A0%80",
        "1" * 256,
        "%20",
        "1%0A",
        "1/",
        "1%2F",
    ):
        answer = await five.get(f"/messages/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["detail"]


async def test_an_id_that_is_a_route_is_found_by_the_parameter(service: Service) -> None:
    await service.store(message(message_id="export"))
    answer = await service.get("/messages/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert (await page(service, message_id="export"))["total"] == 1


async def test_the_other_filters_narrow(five: Service) -> None:
    assert ids(await page(five, message_id="4", to=CARL, q="%")) == "4"
    for others in ({"to": BERT}, {"q": "hello"}, {"since": "2026-01-01T00:00:00Z"}, {"offset": 1}):
        assert ids(await page(five, message_id="4", **others)) == ""
    assert (await page(five, message_id="4", to=BERT))["total"] == 0
    assert (await page(five, message_id="4", offset=1))["total"] == 1


async def test_the_export_knows_it_too(five: Service) -> None:
    answer = await five.get("/messages/export?message_id=4")
    assert answer.text.count("\n") == 1


@on_sqlite
@pytest.mark.parametrize("value", ["", "%00", "a%00", "%20", "a" * 256])
async def test_a_parameter_that_is_no_id_is_refused(service: Service, value: str) -> None:
    await assert_refused(service, f"message_id={value}", "message_id")


@on_sqlite
async def test_its_metrics_have_the_template_of_the_route(five: Service) -> None:
    await five.get("/messages/1")
    await five.get("/messages/9")
    await five.client.post("/messages/1")
    metrics = await five.metrics()
    for method, status in (("GET", 200), ("GET", 404), ("POST", 405)):
        labels = f'method="{method}",path="/messages/{{message_id}}",status="{status}"'
        assert metrics[f"http_requests_total{{{labels}}}"] == 1


async def test_the_event_that_brought_it_is_named(service: Service) -> None:
    await service.store(message(message_id="plain"))
    brought = decode_message(encode(message(message_id="brought")))
    await service.app._store.insert([], [event("a/b", 1, brought)])
    answer = await service.get("/messages/brought")
    named = {"event": {"source": "github", "id": "a/b"}}
    assert answer.json() == message(message_id="brought") | named
    assert "event" not in (await service.get("/messages/plain")).json()
    listed = (await page(service, message_id="brought"))["data"]
    assert listed == [message(message_id="brought")]
