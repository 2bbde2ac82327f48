"""GET /messages: filters, search, order, pages, cursors, and what is refused."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from service.api.messages import Cursor, encode_cursor
from service.store.interface import Filter, Position
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Json, Service, message, running

pytestmark = [pytest.mark.anyio, on_each_database]

ANNA, BERT, CARL = "+4911", "+4922", "+4933"


@pytest.fixture
async def five(service: Service) -> Service:
    """Five messages, delivered out of order; their ids are in the order they are listed in."""
    await service.store(
        row("4", ANNA, CARL, "2025-01-15T10:00:00.000002Z", "100% _sure_"),
        row("2", BERT, ANNA, "2025-01-15T10:00:00.000001Z", "hello, Bert"),
        row("5", ANNA, BERT, "2025-01-15T10:00:01Z", None),
        row("1", ANNA, BERT, "2025-01-15T10:00:00Z", "Hello"),
        row("3", ANNA, BERT, "2025-01-15T10:00:00.000001Z", ""),
    )
    return service


def row(message_id: str, sender: str, recipient: str, ts: str, text: str | None) -> Json:
    return {"message_id": message_id, "from": sender, "to": recipient, "ts": ts, "text": text}


async def page(service: Service, **parameters: Any) -> Json:
    response = await service.get("/messages?" + urlencode(parameters))
    assert response.status_code == 200, response.text
    content = response.json()
    assert isinstance(content, dict)
    return content


def ids(content: Json) -> str:
    return "".join(shown["message_id"] for shown in content["data"])


async def walk(service: Service, **parameters: Any) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    cursor: Json = {}
    while True:
        content = await page(service, **parameters, **cursor)
        found += [shown["message_id"] for shown in content["data"]]
        if content["next"] is None:
            return found
        cursor = {"cursor": content["next"]}


# The answer


async def test_no_messages(service: Service) -> None:
    assert await page(service) == {"data": [], "total": 0, "limit": 50, "offset": 0, "next": None}


async def test_a_page_and_its_fields_in_their_order(five: Service) -> None:
    response = await five.get("/messages?limit=1&offset=1")
    assert response.headers["content-type"] == "application/json"
    assert response.text.startswith(
        '{"data":[{"message_id":"2","from":"+4922","to":"+4911",'
        '"ts":"2025-01-15T10:00:00.000001Z","text":"hello, Bert"}],'
        '"total":5,"limit":1,"offset":1,"next":"'
    )


async def test_ordered_by_ts_then_id(five: Service) -> None:
    assert ids(await page(five)) == "12345"


async def test_ids_of_one_instant_are_ordered_by_their_characters(service: Service) -> None:
    in_order = ["10", "9", "A", "a", "\u00e9", "\uffff", "\U0001f389"]
    await service.store(*(message(message_id=message_id) for message_id in reversed(in_order)))
    assert [shown["message_id"] for shown in (await page(service))["data"]] == in_order


# Limit and offset


async def test_50_a_page_unless_asked_otherwise(service: Service) -> None:
    await service.store(*(message(message_id=f"m{number:03}") for number in range(101)))
    for parameters, size in (({}, 50), ({"limit": 1}, 1), ({"limit": 100}, 100)):
        content = await page(service, **parameters)
        assert len(content["data"]) == content["limit"] == size
        assert content["next"] is not None
    assert len(await walk(service)) == 101


@pytest.mark.parametrize(
    ("limit", "offset", "expected", "has_next"),
    [
        (2, 0, "12", True),
        (2, 3, "45", False),
        (2, 4, "5", False),
        (5, 0, "12345", False),
        (2, 5, "", False),
        (100, 2**62, "", False),
    ],
)
async def test_offset(
    five: Service, limit: int, offset: int, expected: str, has_next: bool
) -> None:
    content = await page(five, limit=limit, offset=offset)
    assert ids(content) == expected
    assert (content["next"] is not None) == has_next
    assert (content["total"], content["offset"]) == (5, offset)


async def test_total_can_be_left_out(five: Service) -> None:
    assert (await page(five, total="true"))["total"] == 5
    content = await page(five, total="false")
    assert content["total"] is None
    assert ids(content) == "12345"


# Filters


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({"from": ANNA}, "1345", id="from"),
        pytest.param({"to": BERT}, "135", id="to"),
        pytest.param({"from": ANNA, "to": BERT}, "135", id="from and to"),
        pytest.param({"from": BERT, "to": BERT}, "", id="from and to that never met"),
        pytest.param({"from": "+4999"}, "", id="an unknown sender"),
        pytest.param({"from": ANNA[:-1]}, "", id="a part of a number"),
        pytest.param({"since": "2025-01-15T10:00:00.000001Z"}, "2345", id="since is included"),
        pytest.param({"since": "2025-01-15T10:00:00.000003Z"}, "5", id="since a microsecond later"),
        pytest.param({"until": "2025-01-15T10:00:00.000001Z"}, "1", id="until is not included"),
        pytest.param({"until": "2025-01-15T10:00:00.000002Z"}, "123", id="until one later"),
        pytest.param(
            {"since": "2025-01-15T10:00:00.000001Z", "until": "2025-01-15T10:00:00.000002Z"},
            "23",
            id="one instant",
        ),
        pytest.param(
            {"since": "2025-01-15T10:00:01Z", "until": "2025-01-15T10:00:00Z"}, "", id="backwards"
        ),
        pytest.param({"since": "0001-01-01T00:00:00Z"}, "12345", id="since the first instant"),
        pytest.param({"until": "9999-12-31T23:59:59.999999Z"}, "12345", id="until the last one"),
        pytest.param({"q": "hello"}, "12", id="q"),
        pytest.param({"q": "HELLO,"}, "2", id="q in capitals"),
        pytest.param({"q": "o"}, "12", id="q of one character"),
        pytest.param({"q": "%"}, "4", id="q with a percent sign"),
        pytest.param({"q": "_"}, "4", id="q with an underscore"),
        pytest.param({"q": "0% _s"}, "4", id="q with both"),
        pytest.param({"q": "*"}, "", id="q with a star"),
        pytest.param({"q": "'"}, "", id="q with a quote"),
        pytest.param({"q": "hello", "from": ANNA}, "1", id="q and from"),
        pytest.param({"q": "hello", "to": ANNA}, "2", id="q and to"),
        pytest.param({"q": "e", "from": ANNA, "to": CARL}, "4", id="q, from and to"),
        pytest.param(
            {"q": "hello", "from": BERT, "to": ANNA, "since": "2025-01-15T10:00:00.000001Z"},
            "2",
            id="everything",
        ),
    ],
)
async def test_filter(five: Service, parameters: Json, expected: str) -> None:
    content = await page(five, **parameters)
    assert ids(content) == expected
    assert content["total"] == len(expected)
    assert "".join(await walk(five, **parameters, limit=1)) == expected


@pytest.mark.parametrize("plus", ["%2B", "%2b", "+", "%20"])
async def test_a_plus_may_be_left_unescaped(five: Service, plus: str) -> None:
    assert await five.ids(f"?from={plus}4922") == ["2"]
    assert await five.ids(f"?to={plus}4933") == ["4"]


@pytest.mark.parametrize(
    ("text", "q"),
    [
        pytest.param("Straße", "STRASSE", id="sharp s in capitals"),
        pytest.param("STRASSE", "straße", id="capitals by sharp s"),
        pytest.param("ПРИВЕТ мир", "привет", id="Cyrillic"),
        pytest.param("ΣΊΣΥΦΟΣ", "σίσυφος", id="Greek, with a final sigma"),
        pytest.param("ΌΧΙ", "όχι", id="Greek, with an accent"),
        pytest.param("Ünïcödé", "üNÏCÖDÉ", id="Latin with marks"),
        pytest.param("\u10a0", "\u2d00", id="Georgian"),
        pytest.param("\U00010400", "\U00010428", id="Deseret, beyond 16 bits"),
        pytest.param("你好世界", "好世", id="a script without case"),
        pytest.param("على", "ل", id="one character of another script"),
        pytest.param("\ufb01nd", "FIN", id="a ligature"),
        pytest.param("a\nb", "A\nB", id="a newline"),
        pytest.param("back\\slash", "K\\S", id="a backslash"),
        pytest.param("x" * 4096, "X" * 4096, id="the longest text"),
    ],
)
async def test_search_knows_no_case_in_any_script(service: Service, text: str, q: str) -> None:
    await service.store(message(text=text), message(message_id="other", text="z"))
    assert ids(await page(service, q=q)) == "m-1"


# Cursors


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_a_walk_by_cursor_sees_everything_once(five: Service, limit: int) -> None:
    assert "".join(await walk(five, limit=limit)) == "12345"


async def test_a_walk_sees_what_was_there_once_whatever_arrives(five: Service) -> None:
    seen: list[str] = []
    cursor: Json = {}
    for number in range(6):
        content = await page(five, limit=1, **cursor)
        seen += [shown["message_id"] for shown in content["data"]]
        cursor = {"cursor": content["next"]}
        if content["next"] is None:
            break
        earlier, later = "2025-01-15T09:00:00Z", "2025-01-15T10:00:00.5Z"
        await five.store(message(message_id=f"early-{number}", ts=earlier))
        if number == 0:
            await five.store(message(message_id="late", ts=later))
    assert [message_id for message_id in seen if len(message_id) == 1] == list("12345")
    assert seen == [*"1234", "late", "5"]


async def test_a_cursor_survives_other_limits_and_totals(five: Service) -> None:
    cursor = (await page(five, limit=2))["next"]
    content = await page(five, limit=100, total="false", cursor=cursor)
    assert (ids(content), content["offset"], content["total"]) == ("345", 0, None)
    assert (await page(five, cursor=cursor))["total"] == 5


async def test_a_cursor_continues_a_walk_that_began_with_an_offset(five: Service) -> None:
    cursor = (await page(five, limit=2, offset=1))["next"]
    assert ids(await page(five, cursor=cursor)) == "45"


async def test_a_cursor_needs_no_escaping(five: Service) -> None:
    await five.store(message(message_id="?/+&%\N{PARTY POPPER}" * 20, ts="2024-01-01T00:00:00Z"))
    cursor = (await page(five, limit=1))["next"]
    assert quote(cursor, safe="") == cursor
    assert ids(await page(five, cursor=cursor)) == "12345"


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"from": ANNA},
        {"from": ANNA, "to": BERT},
        {"to": ANNA},
        {"q": "h"},
        {"since": "2025-01-15T10:00:00Z"},
        {"until": "2026-01-15T10:00:00Z"},
    ],
    ids=" ".join,
)
async def test_a_cursor_of_other_filters_is_refused(five: Service, others: Json) -> None:
    cursor = (await page(five, limit=1, to=BERT))["next"]
    await assert_refused(five, urlencode(others | {"cursor": cursor}), "cursor")


def packed(*fields: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(fields)).decode().rstrip("=")


def digest() -> bytes:
    cursor = encode_cursor(Position(0, ""), Filter())
    content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    return msgspec.msgpack.decode(content, type=Cursor).filter_digest


@on_sqlite
@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="one character"),
        pytest.param("null", id="null"),
        pytest.param("====", id="padding"),
        pytest.param("!!!!", id="no base64"),
        pytest.param("\N{PARTY POPPER}", id="no ASCII"),
        pytest.param(base64.b64encode(b'{"ts":1}').decode(), id="JSON"),
        pytest.param(packed(), id="no fields"),
        pytest.param(packed(1, "m-1"), id="no digest"),
        pytest.param(packed(1, "m-1", b""), id="an empty digest"),
        pytest.param(packed("1", "m-1", digest()), id="ts as text"),
        pytest.param(packed(1.5, "m-1", digest()), id="ts as a fraction"),
        pytest.param(packed(1, 1, digest()), id="an id that is a number"),
        pytest.param(packed(2**64 - 1, "m-1", digest()), id="ts beyond 63 bits"),
        pytest.param(packed(2**63, "m-1", digest()), id="ts just beyond 63 bits"),
        pytest.param(
            base64.urlsafe_b64encode(
                msgspec.msgpack.encode([1, "m-1", digest()]).replace(b"\x93", b"\x94", 1)
                + b"\x91" * 5_000
                + b"\x01"
            ).decode(),
            id="arrays 5,000 deep",
        ),
        pytest.param("A" * 30_000, id="30,000 characters"),
    ],
)
async def test_a_cursor_that_nobody_made_is_refused(five: Service, cursor: str) -> None:
    await assert_refused(five, urlencode({"cursor": cursor}), "cursor")


async def test_a_cut_cursor_is_refused(five: Service) -> None:
    cursor = (await page(five, limit=1))["next"]
    for length in range(len(cursor)):
        await assert_refused(five, f"cursor={cursor[:length]}", "cursor")


@pytest.mark.parametrize("offset", [0, 1])
async def test_cursor_and_offset_do_not_go_together(five: Service, offset: int) -> None:
    cursor = (await page(five, limit=1))["next"]
    await assert_refused(five, f"cursor={cursor}&offset={offset}", "cursor")


# What is refused


@on_sqlite
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1e1", "limit"),
        ("limit=0x1", "limit"),
        ("limit=1_0", "limit"),
        ("limit=+5", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=5%20", "limit"),
        ("limit=5%0A", "limit"),
        ("limit=5%00", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("offset=-1", "offset"),
        ("offset=", "offset"),
        ("offset=x", "offset"),
        ("offset=0.5", "offset"),
        (f"offset={2**63}", "offset"),
        (f"offset={2**64}", "offset"),
        ("offset=" + "9" * 5_000, "offset"),
        ("from=", "from"),
        ("from=%2B1", "from"),
        ("from=%2B1234567890123456", "from"),
        ("from=%2B012", "from"),
        ("from=4911", "from"),
        ("from=++4911", "from"),
        ("from=%2B4911%0A", "from"),
        ("from=%2B49%D9%A1", "from"),
        ("from=%2B4911%00", "from"),
        ("to=", "to"),
        ("to=x", "to"),
        ("since=", "since"),
        ("since=2025-01-15", "since"),
        ("since=2025-02-29T00:00:00Z", "since"),
        ("since=2025-01-15T10:00:00", "since"),
        ("since=2025-01-15T10:00:00z", "since"),
        ("since=2025-01-15T10:00:00%2B00:00", "since"),
        ("since=2025-01-15T10:00:00.1234567Z", "since"),
        ("since=2025-01-15T24:00:00Z", "since"),
        ("since=0000-01-01T00:00:00Z", "since"),
        ("since=1736935200", "since"),
        ("until=2025-13-01T00:00:00Z", "until"),
        ("until=2025-01-15T10:00:00Z%0A", "until"),
        ("until=now", "until"),
        ("q=", "q"),
        ("q=%00", "q"),
        ("q=a%00b", "q"),
        ("q=" + "x" * 4_097, "q"),
        ("total=", "total"),
        ("total=1", "total"),
        ("total=True", "total"),
        ("total=yes", "total"),
        ("limit=1&limit=1", "limit"),
        ("q=a&q=b", "q"),
        ("from=%2B4911&from=%2B4922", "from"),
        ("total=true&total=false", "total"),
        ("page=1", "limit, offset, cursor, from, to"),
        ("Limit=1", "limit, offset, cursor, from, to"),
        ("limit=1;offset=1", "limit"),
        ("limit%00=1", "limit, offset, cursor, from, to"),
        ("=1", "limit, offset, cursor, from, to"),
        ("q=%FF", "UTF-8"),
        ("q=%C3", "UTF-8"),
        ("q=%ED%A0%80", "UTF-8"),
        ("q=%C0%80", "UTF-8"),
        ("%FF=1", "UTF-8"),
    ],
)
async def test_a_parameter_is_refused_by_name(service: Service, query: str, named: str) -> None:
    await assert_refused(service, query, named)


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        pytest.param(b"q=\xc3\xa9", id="UTF-8 that is not escaped"),
        pytest.param(b"q=\xff", id="a raw byte"),
        pytest.param(b"q=100%", id="a percent sign at the end"),
        pytest.param(b"q=%zz", id="no digits behind it"),
        pytest.param(b"q=%u00e9", id="another escape"),
        pytest.param(b"q%=1", id="a percent sign in a name"),
    ],
)
async def test_a_query_that_is_not_escaped_is_refused(service: Service, query: bytes) -> None:
    """httpx would escape it; a client need not."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "GET", "path": "/messages", "headers": []}
    await service.app(scope | {"query_string": query}, receive, send)
    assert sent[0]["status"] == 422
    assert b"percent-encoded" in sent[1]["body"]


@pytest.mark.parametrize("query", ["?", "?&", "?limit=50&", "?&&total=true"])
async def test_empty_parameters_are_no_parameters(five: Service, query: str) -> None:
    assert "".join(await five.ids(query)) == "12345"


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        await service.store(message())
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        assert await service.ids() == ["m-1"]
        await service.store(message())
        assert await service.ids() == ["m-1"]


async def assert_refused(service: Service, query: str, named: str) -> None:
    response = await service.get(f"/messages?{query}")
    assert response.status_code == 422, response.text
    assert named in response.json()["detail"]
