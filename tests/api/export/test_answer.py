"""GET /messages/export: the answer's head, refusals, the log line."""

from pathlib import Path

import pytest

from tests.support.api.exports import PATH, SOME, Pages, fill
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Service
from tests.support.wires import served

pytestmark = [pytest.mark.anyio, on_each_database]


@on_sqlite
@pytest.mark.parametrize(
    ("form", "content_type"),
    [("ndjson", "application/x-ndjson"), ("csv", "text/csv; charset=utf-8")],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_head(some: Service, method: str, form: str, content_type: str) -> None:
    answer = await some.client.request(method, f"{PATH}?format={form}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == f'attachment; filename="messages.{form}"'
    assert "content-length" not in answer.headers


@pytest.mark.usefixtures("small_pages")
async def test_head_reads_one_page(tmp_path: Path, database_url: str, pages: Pages) -> None:
    await fill(database_url, SOME)
    async with served(tmp_path, DATABASE_URL=database_url) as wires:
        wire = await wires.connect()
        await wire.send(b"HEAD /messages/export HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await wire.answer_head()).status == 200
        assert await wire.rest() == b""
    assert pages.count == 1


@on_sqlite
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("format=", "format must be ndjson or csv"),
        ("format=CSV", "format"),
        ("format=json", "format"),
        ("format=csv&format=csv", "format"),
        ("from=%2Bx", "from"),
        ("to=%2B1", "to"),
        ("since=now", "since"),
        ("until=2025-02-29T00:00:00Z", "until"),
        ("q=", "q"),
        ("q=%00", "q"),
        ("q=%FF", "UTF-8"),
        ("q=100%", "percent-encoded"),
        ("q=a&q=b", "q"),
        ("limit=10", "format, excel, message_id, from, to, since, until, q"),
        ("offset=0", "format, excel, message_id, from, to, since, until, q"),
        ("cursor=x", "format, excel, message_id, from, to, since, until, q"),
        ("total=false", "format, excel, message_id, from, to, since, until, q"),
        ("x=1", "format, excel, message_id, from, to, since, until, q"),
    ],
)
async def test_a_parameter_is_refused_by_name(some: Service, query: str, named: str) -> None:
    answer = await some.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
    assert named in answer.json()["detail"]


async def test_one_line_and_one_count_at_the_end(some: Service) -> None:
    await some.get(f"{PATH}?q=mark")
    metrics = await some.metrics()
    labels = f'{{method="GET",path="{PATH}",status="200"}}'
    assert metrics[f"http_requests_total{labels}"] == 1
    (line,) = [line for line in some.log_lines() if line["path"] == PATH]
    assert (line["status"], line["level"]) == (200, "INFO")
    assert b"mark" not in some.log_output()
