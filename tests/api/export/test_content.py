"""GET /messages/export: every matching message once, in both formats."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.messages import walk
from service.api.messages.walk import (
    CSV,
    CSV_FIELDS,
    NDJSON,
    PAGE_BYTES,
    PAGE_MESSAGES_MAX,
    PAGE_MESSAGES_MIN,
    PAGE_SECONDS,
    Walk,
    next_page_messages,
)
from service.messages.instants import format_instant
from service.store.interface import Filter, QueryTimeout, Row
from tests.support.api.exports import (
    PATH,
    QUERIES,
    SOME,
    Pages,
    fail,
    fill,
    large,
    listed,
    parse_csv,
    parse_excel,
    parse_ndjson,
    without_null,
)
from tests.support.api.lists import ANNA, BERT, row
from tests.support.kinds import on_each_database
from tests.support.service import Json, Service, message, running
from tests.support.strategies import addresses

pytestmark = [pytest.mark.anyio, on_each_database]


async def assert_all_is_exported(service: Service, queries: list[Json]) -> None:
    """For each query, both formats hold what a walk along GET /messages finds."""
    for query in queries:
        expected = await listed(service, query)
        answer = await service.get(f"{PATH}?" + urlencode(query))
        assert parse_ndjson(answer.text) == expected, query
        answer = await service.get(f"{PATH}?" + urlencode({**query, "format": "ndjson"}))
        assert parse_ndjson(answer.text) == expected, query
        answer = await service.get(f"{PATH}?" + urlencode({**query, "format": "csv"}))
        assert parse_csv(answer.text) == without_null(expected), query
        answer = await service.get(
            f"{PATH}?" + urlencode({**query, "format": "csv", "excel": "true"})
        )
        assert parse_excel(answer.content.decode()) == without_null(expected), query


async def test_a_spreadsheet_takes_no_cell_for_a_formula(service: Service) -> None:
    cells = [
        f"{first}1" for first in ("=", "+", "-", "@", "\t=", "\r=", "'=", "''", '"=', "é", " =")
    ]
    sent = [row(cell, ANNA, BERT, "2025-01-15T10:00:00Z", cell) for cell in cells]
    await service.store(*sent)
    answer = await service.get(f"{PATH}?format=csv&excel=true")
    assert answer.content.startswith(b"\xef\xbb\xbfmessage_id,from,to,ts,text\r\n")
    assert f"\"'=1\",'{ANNA},'{BERT},2025-01-15T10:00:00Z,\"'=1\"\r\n" in answer.text
    found = parse_excel(answer.content.decode())
    assert found == sorted(sent, key=lambda each: str(each["message_id"]))
    plain = await service.get(f"{PATH}?format=csv&excel=false")
    assert parse_csv(plain.text) == found


@pytest.mark.parametrize("query", ["excel=true", "excel=true&format=ndjson", "format=csv&excel=1"])
async def test_excel_goes_with_csv(service: Service, query: str) -> None:
    answer = await service.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("excel ")


async def test_an_export_is_what_a_walk_sees(some: Service) -> None:
    await assert_all_is_exported(some, QUERIES)


@pytest.mark.usefixtures("small_pages")
async def test_so_it_is_where_it_takes_many_pages(some: Service) -> None:
    await assert_all_is_exported(some, QUERIES)


@pytest.mark.usefixtures("small_pages")
async def test_so_it_is_where_a_search_takes_too_long(
    some: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "SEARCH_SECONDS_MAX", 0)
    await assert_all_is_exported(some, [query for query in QUERIES if "q" in query])


@pytest.mark.usefixtures("small_pages")
async def test_a_search_that_takes_too_long_in_the_middle(some: Service, pages: Pages) -> None:
    expected = await listed(some, {"q": "e"})
    pages.count = 0
    pages.at[2] = fail(QueryTimeout("too long"))
    answer = await some.get(f"{PATH}?q=e")
    assert parse_ndjson(answer.text) == expected
    assert pages.count > 3


async def test_lines_are_the_objects_of_data(some: Service) -> None:
    data = (await some.get("/messages")).content
    lines = (await some.get(PATH)).content.split(b"\n")[:-1]
    assert data.startswith(b'{"data":[' + b",".join(lines) + b'],"total":')


async def test_csv_to_the_byte(some: Service) -> None:
    answer = await some.get(f"{PATH}?format=csv&until=2025-01-15T10:00:01.1Z&from=%2B4911")
    assert answer.content == (
        b"message_id,from,to,ts,text\r\n"
        b'"1",+4911,+4922,1969-12-31T23:59:59.9Z,"Hello"\r\n'
        b'"3",+4911,+4922,2025-01-15T10:00:00.000001Z,""\r\n'
        b'"4",+4911,+4933,2025-01-15T10:00:00.000002Z,"100% ""sure""\r\n_really_\n\r"\r\n'
        b'"5",+4911,+4922,2025-01-15T10:00:01Z,\r\n'
    )


async def test_no_messages(service: Service) -> None:
    answer = await service.get(PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    answer = await service.get(f"{PATH}?format=csv")
    assert (answer.status_code, answer.text) == (200, ",".join(CSV_FIELDS) + "\r\n")


@given(
    st.lists(
        st.builds(
            Row,
            message_id=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            from_msisdn=st.just(ANNA) | addresses,
            to_msisdn=st.just(BERT) | addresses,
            ts=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
            text=st.none()
            | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
            | st.text('",\r\n= a'),
        )
    )
)
def test_both_formats_parse_back(rows: list[Row]) -> None:
    shown = [
        row(each.message_id, each.from_msisdn, each.to_msisdn, format_instant(each.ts), each.text)
        for each in rows
    ]
    assert parse_ndjson(NDJSON.encode(rows).decode()) == shown
    assert parse_csv((CSV.head + CSV.encode(rows)).decode()) == without_null(shown)


# Pages


@pytest.mark.usefixtures("small_pages")
async def test_what_was_there_comes_once_whatever_arrives(some: Service) -> None:
    walk = Walk(some.app._store, Filter(), NDJSON)
    found = parse_ndjson((await walk.next_chunk()).decode())
    number = 0
    while not walk.is_over:
        number += 1
        await some.store(message(message_id=f"early-{number}", ts="1969-01-01T00:00:00Z"))
        await some.store(message(message_id=f"late-{number}", ts="2026-01-01T00:00:00Z"))
        found += parse_ndjson((await walk.next_chunk()).decode())
        assert number < 20
    ids = [content["message_id"] for content in found]
    assert ids[: len(SOME)] == [content["message_id"] for content in SOME]
    assert ids[len(SOME) :][:1] == ["late-1"]
    assert walk.count == len(ids)


async def test_pages_grow_and_stay_bounded(tmp_path: Path, database_url: str, pages: Pages) -> None:
    await fill(database_url, (message(message_id=str(number), text="") for number in range(20_000)))
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        assert (await service.get(PATH)).text.count("\n") == 20_000
    assert sum(pages.sizes) == 20_000
    assert pages.sizes[0] == walk.PAGE_MESSAGES_FIRST
    assert max(pages.sizes) <= PAGE_MESSAGES_MAX


async def test_pages_of_long_messages_are_short(
    tmp_path: Path, database_url: str, pages: Pages
) -> None:
    await fill(database_url, large(2_000))
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        await service.get(PATH)
    assert max(pages.sizes[1:]) <= max(PAGE_MESSAGES_MIN, PAGE_BYTES / 4_096)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param((500, 1_000, 0.001), 1_000, id="cheap: twice as many"),
        pytest.param((PAGE_MESSAGES_MAX, 1_000, 0.001), PAGE_MESSAGES_MAX, id="not more than that"),
        pytest.param((1_000, PAGE_BYTES * 2, 0.001), 500, id="too many bytes"),
        pytest.param((1_000, 1_000, PAGE_SECONDS * 2), 500, id="too slow"),
        pytest.param((1_000, PAGE_BYTES * 9, PAGE_SECONDS * 9), PAGE_MESSAGES_MIN, id="not fewer"),
        pytest.param((500, 0, 0.001), 1_000, id="nothing found"),
    ],
)
def test_the_next_page(cost: tuple[int, int, float], expected: int) -> None:
    assert next_page_messages(*cost) == expected
