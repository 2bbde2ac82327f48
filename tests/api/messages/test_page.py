"""GET /messages: fields, order, filters, search, limit and offset."""

from pathlib import Path

import pytest

from tests.support.api.lists import ANNA, BERT, CARL, ids, page, walk
from tests.support.kinds import on_each_database
from tests.support.service import Json, Service, message, running

pytestmark = [pytest.mark.anyio, on_each_database]


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
        pytest.param({"since": "2025-01-15T19:00:00.000001+09:00"}, "2345", id="since, offset"),
        pytest.param({"since": "2025-01-15t10:00:00.0000019z"}, "2345", id="since, cut"),
        pytest.param({"until": "2025-01-15T05:00:00.000001-05:00"}, "1", id="until, offset"),
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
    assert await five.ids(f"?since=2025-01-15T19:00:00.000003{plus}09:00") == ["5"]


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


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        await service.store(message())
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        assert await service.ids() == ["m-1"]
        await service.store(message())
        assert await service.ids() == ["m-1"]
