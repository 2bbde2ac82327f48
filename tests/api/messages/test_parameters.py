"""GET /messages: parameters that are refused."""

from typing import Any

import pytest

from tests.support.api.lists import assert_refused
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Service

pytestmark = [pytest.mark.anyio, on_each_database]


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
        ("from=49111234567", "from"),
        ("from=49", "from"),
        ("from=" + "x" * 65, "from"),
        ("from=a%7F", "from"),
        ("from=++4911", "from"),
        ("from=%2B4911%0A", "from"),
        ("from=%2B49%D9%A1", "from"),
        ("from=%2B4911%00", "from"),
        ("to=", "to"),
        ("to=%2Bx", "to"),
        ("since=", "since"),
        ("since=2025-01-15", "since"),
        ("since=2025-02-29T00:00:00Z", "since"),
        ("since=2025-01-15T10:00:00", "since"),
        ("since=2025-01-15T10:00:00%2B0000", "since"),
        ("since=2025-01-15+10:00:00Z", "since"),
        ("since=0001-01-01T00:00:00%2B00:01", "since"),
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
        ("order=", "order"),
        ("order=DESC", "order"),
        ("total=", "total"),
        ("total=1", "total"),
        ("total=True", "total"),
        ("total=yes", "total"),
        ("limit=1&limit=1", "limit"),
        ("q=a&q=b", "q"),
        ("from=%2B4911&from=%2B4922", "from"),
        ("total=true&total=false", "total"),
        ("page=1", "limit, offset, cursor, order, message_id, from, to"),
        ("Limit=1", "limit, offset, cursor, order, message_id, from, to"),
        ("limit=1;offset=1", "limit"),
        ("limit%00=1", "limit, offset, cursor, order, message_id, from, to"),
        ("=1", "limit, offset, cursor, order, message_id, from, to"),
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
    """Sent without httpx, which would escape the query."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(event: Any) -> None:
        sent.append(event)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/messages",
        "headers": [],
        "client": None,
    }
    await service.app(scope | {"query_string": query}, receive, send)
    assert sent[0]["status"] == 422
    assert b"percent-encoded" in sent[1]["body"]


@pytest.mark.parametrize("query", ["?", "?&", "?limit=50&", "?&&total=true"])
async def test_empty_parameters_are_no_parameters(five: Service, query: str) -> None:
    assert "".join(await five.ids(query)) == "12345"
