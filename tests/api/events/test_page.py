"""GET /events: fields, order, filters, walks, and what is refused."""

import base64
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.cursors import encode_cursor, encode_event_cursor
from service.api.events import page as page_of_events
from service.errors import InvalidParameter
from service.messages.instants import INSTANT_FIRST, INSTANT_LAST
from service.store.interface import (
    INSTANT_MAX,
    INSTANT_MIN,
    EventFilter,
    EventPosition,
    Filter,
    Position,
)
from tests.support.api.events import event, ids, page, show, store, walk
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Json, Service

pytestmark = [pytest.mark.anyio, on_each_database]


# The answer


async def test_no_events(service: Service) -> None:
    assert await page(service) == {"data": [], "next": None}


async def test_an_event_and_its_fields_in_their_order(service: Service) -> None:
    body = b' {"a" : [1.10, "\xc3\xa9\\u00e9"],\n"a":1e2} '
    kept = '{"content-type":"application/json","x-a":"1, 2"}'
    await store(service, event(body=body, headers=kept, message_ids=("m-1", "m/2")))
    response = await service.get("/events")
    assert response.headers["content-type"] == "application/json"
    assert response.content == (
        b'{"data":[{"source":"github","id":"e-1","type":"ping","received_at":"2026-11-23T12:00:00Z",'
        b'"headers":' + kept.encode() + b',"content_type":"application/json","body":' + body + b","
        b'"problem":null,"message_ids":["m-1","m/2"]}],"next":null}'
    )


async def test_what_is_no_json_is_in_base64(service: Service) -> None:
    bodies = [
        b"",
        b"a=1&b=2",
        b"\xff\x00",
        b'{"base64": "eA=="}',
        b'{"a": "\\ud800"}',
        b"[" * 5_000,
    ]
    await store(service, *[event(str(number), body=body) for number, body in enumerate(bodies)])
    await store(service, event("9", content_type=None))
    found = [shown["body"] for shown in (await page(service))["data"]]
    assert found[:-1] == [{"base64": base64.b64encode(body).decode()} for body in bodies]
    assert found[-1] == show(event())["body"]


# Order and filters


async def test_ordered_by_arrival_then_source_and_id(five: Service) -> None:
    assert ids(await page(five)) == "12345"
    assert ids(await page(five, order="asc")) == "12345"
    assert ids(await page(five, order="desc")) == "54321"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"source": "github"}, "12"),
        ({"source": "webhook"}, "5"),
        ({"source": "Github"}, ""),
        ({"source": "\N{PARTY POPPER}" * 255}, ""),
        ({"type": "ping"}, "134"),
        ({"type": "pin"}, ""),
        ({"problem": "true"}, "45"),
        ({"problem": "false"}, "123"),
        ({"since": "2026-11-23T12:00:00.000001Z"}, "2345"),
        ({"until": "2026-11-23T12:00:00.000001Z"}, "1"),
        ({"since": "2026-11-23T21:00:00.000002+09:00", "until": "2026-11-23T12:00:01Z"}, "4"),
        ({"since": "2026-11-23T12:00:01Z", "until": "2026-11-23T12:00:00Z"}, ""),
        ({"source": "stripe", "type": "ping", "problem": "false"}, "3"),
        ({"source": "stripe", "problem": "true", "since": "2026-11-23T12:00:00Z"}, "4"),
        ({"cursor": "", "type": "push"}, "2"),
    ],
    ids=str,
)
async def test_filter(five: Service, parameters: Json, expected: str) -> None:
    assert ids(await page(five, **parameters)) == expected
    assert ids(await page(five, **parameters, order="desc")) == expected[::-1]
    for limit in (1, 2):
        for order in ("asc", "desc"):
            pages = await walk(five, **parameters, limit=limit, order=order)
            assert "".join(map(ids, pages)) == (expected if order == "asc" else expected[::-1])


# Pages


async def test_50_a_page_unless_asked_otherwise(service: Service) -> None:
    await store(service, *[event(f"{number:03}") for number in range(101)])
    for parameters, size in (({}, 50), ({"limit": 1}, 1), ({"limit": 100}, 100)):
        content = await page(service, **parameters)
        assert len(content["data"]) == size
        assert content["next"] is not None
    assert [len(each["data"]) for each in await walk(service)] == [50, 50, 1]


async def test_a_page_ends_early_where_bodies_are_large(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of_events, "BODY_BYTES_MAX", 1_000)
    sizes = [400, 600, 1, 5_000, 999, 2, 0]
    await store(
        service,
        *[event(str(number), body=b"x" * size) for number, size in enumerate(sizes)],
    )
    for order, expected in (
        ("asc", ["01", "2", "3", "4", "56"]),
        ("desc", ["65", "4", "3", "21", "0"]),
    ):
        assert [ids(each) for each in await walk(service, order=order)] == expected
    assert [ids(each) for each in await walk(service, limit=1)] == list("0123456")


async def test_a_page_has_at_most_4_mib_of_bodies(service: Service) -> None:
    for number in range(5):
        await store(service, event(str(number), body=b"x" * 2**20))
    assert [ids(each) for each in await walk(service)] == ["0123", "4"]


# Cursors


async def test_a_walk_sees_what_was_there_once_whatever_arrives(five: Service) -> None:
    content = await page(five, limit=2)
    await store(five, event("0", "2026-11-23T11:00:00Z"), event("6", "2026-11-23T13:00:00Z"))
    seen = ids(content)
    while content["next"] is not None:
        content = await page(five, limit=2, cursor=content["next"])
        seen += ids(content)
    assert seen == "123456"


async def test_a_cursor_needs_no_escaping_whatever_the_id(service: Service) -> None:
    names = ["?/+&%\N{PARTY POPPER}" * 20, "~", "\n"]
    await store(service, *[event(name) for name in names])
    cursor = (await page(service, limit=1))["next"]
    assert quote(cursor, safe="") == cursor
    seen = [shown["id"] for each in await walk(service, limit=1) for shown in each["data"]]
    assert seen == sorted(names)


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"source": "github"},
        {"source": "stripe", "type": "ping"},
        {"source": "stripe", "problem": "false"},
        {"source": "stripe", "since": "2025-01-15T10:00:00Z"},
        {"source": "stripe", "until": "2027-01-15T10:00:00Z"},
        {"source": "stripe", "order": "desc"},
    ],
    ids=str,
)
async def test_a_cursor_of_other_filters_is_refused(five: Service, others: Json) -> None:
    cursor = (await page(five, limit=1, source="stripe"))["next"]
    await assert_refused(five, urlencode(others | {"cursor": cursor}), "cursor")
    assert ids(await page(five, source="stripe", limit=100, cursor=cursor)) == "4"


def packed(*fields: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(fields)).decode().rstrip("=")


def digest() -> bytes:
    cursor = encode_event_cursor(EventPosition(0, "", ""), EventFilter())
    content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    found = msgspec.msgpack.decode(content)[-1]
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("x", id="one character"),
        pytest.param("\N{PARTY POPPER}", id="no ASCII"),
        pytest.param(packed(1, "github", "1"), id="no digest"),
        pytest.param(packed("1", "github", "1", digest()), id="an instant as text"),
        pytest.param(packed(2**63, "github", "1", digest()), id="an instant beyond 63 bits"),
        pytest.param(packed(1, "github", "1\0", digest()), id="U+0000"),
        pytest.param(packed(1, "github", "1", digest(), 1), id="one field too many"),
        pytest.param(encode_cursor(Position(0, "m-1"), Filter()), id="of messages"),
        pytest.param("A" * 30_000, id="30,000 characters"),
    ],
)
async def test_a_cursor_that_nobody_made_is_refused(five: Service, cursor: str) -> None:
    await assert_refused(five, urlencode({"cursor": cursor}), "cursor")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("received_at", [INSTANT_MIN, INSTANT_FIRST, INSTANT_LAST, INSTANT_MAX])
async def test_a_cursor_may_name_any_instant(five: Service, order: str, received_at: int) -> None:
    position = EventPosition(received_at, "\N{PARTY POPPER}", "a" * 1_000)
    cursor = encode_event_cursor(position, EventFilter(is_descending=order == "desc"))
    is_before_all = (received_at < 0) == (order == "asc")
    found = ids(await page(five, order=order, cursor=cursor))
    assert len(found) == (5 if is_before_all else 0)


async def test_a_cursor_of_messages_does_not_take_one_of_events(five: Service) -> None:
    cursor = (await page(five, limit=1))["next"]
    answer = await five.get(f"/messages?cursor={cursor}")
    assert answer.status_code == 422


# What is refused


async def assert_refused(service: Service, query: str, named: str) -> None:
    response = await service.get(f"/events?{query}")
    assert response.status_code == 422, response.text
    assert named in response.json()["detail"]


@on_sqlite
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit must be a whole number from 1 to 100"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("order=down", "order must be asc or desc"),
        ("problem=1", "problem must be true or false"),
        ("problem=", "problem"),
        ("source=", "source must be 1 to 255 characters"),
        ("source=%00", "source"),
        ("source=" + "a" * 256, "source"),
        ("source=%FF", "percent-encoded UTF-8"),
        ("type=", "type must be 1 to 255 characters"),
        ("type=a%00", "type"),
        ("since=yesterday", "since must be an RFC 3339 instant"),
        ("until=2026-02-30T00:00:00Z", "until"),
        ("offset=0", "there are no parameters but"),
        ("from=%2B11", "there are no parameters but"),
        ("limit=1&limit=1", "limit must not be given twice"),
    ],
)
async def test_a_wrong_parameter_is_named(service: Service, query: str, named: str) -> None:
    await assert_refused(service, query, named)


@given(
    st.lists(st.tuples(st.sampled_from(page_of_events.PARAMETERS), st.text(max_size=8)), max_size=4)
    .map(urlencode)
    .map(str.encode)
    | st.binary()
)
def test_any_query_string_is_read_or_refused(query_string: bytes) -> None:
    with suppress(InvalidParameter):
        query = page_of_events.parse_query(query_string)
        assert 1 <= query.limit <= 100
        assert "" not in (query.chosen.source, query.chosen.type)
