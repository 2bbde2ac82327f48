"""GET /messages: walks by cursor, and cursors that are refused."""

import base64
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from service.api.cursors import Cursor, encode_cursor
from service.store.interface import Filter, Position
from tests.support.api.lists import ANNA, BERT, assert_refused, ids, page, walk
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Json, Service, message

pytestmark = [pytest.mark.anyio, on_each_database]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_a_walk_by_cursor_sees_everything_once(five: Service, limit: int) -> None:
    assert "".join(await walk(five, limit=limit)) == "12345"


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_a_walk_with_the_latest_first(five: Service, limit: int) -> None:
    assert "".join(await walk(five, limit=limit, order="desc")) == "54321"
    assert ids(await page(five, order="desc", offset=1, limit=2)) == "43"
    assert "".join(await walk(five, order="desc", to=BERT, limit=limit)) == "531"
    assert "".join(await walk(five, order="asc", limit=limit)) == "12345"


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
        {"to": BERT, "order": "desc"},
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
    for length in range(1, len(cursor)):
        await assert_refused(five, f"cursor={cursor[:length]}", "cursor")


async def test_an_empty_cursor_is_none(five: Service) -> None:
    assert ids(await page(five, cursor="")) == "12345"
    assert ids(await page(five, cursor="", offset=0)) == "12345"
    assert ids(await page(five, cursor="", offset=3, limit=1, to=BERT)) == ""


@pytest.mark.parametrize("offset", [0, 1])
async def test_cursor_and_offset_do_not_go_together(five: Service, offset: int) -> None:
    cursor = (await page(five, limit=1))["next"]
    await assert_refused(five, f"cursor={cursor}&offset={offset}", "cursor")
