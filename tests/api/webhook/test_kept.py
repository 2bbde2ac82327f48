"""POST /webhook: what was signed and is refused is kept as an event."""

import hashlib

import pytest

from service.api.webhooks.kept import read_content_type
from tests.support.api.webhooks import BODY, count_events, failing_inserts, stored
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import Service, message, signed

pytestmark = [pytest.mark.anyio, on_each_database]

GZIP = {"Content-Encoding": "gzip"}
REQUESTS = 'webhook_requests_total{{result="{}",source="webhook"}}'


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"no JSON \xff\0", {}, 422, id="no JSON"),
        pytest.param(b"", {}, 422, id="empty"),
        pytest.param(b"[" * 5_000 + b"]" * 5_000, {}, 422, id="deep"),
        pytest.param(BODY.replace(b"+49", b"0049"), {}, 422, id="a rule"),
        pytest.param(BODY, GZIP, 415, id="compressed"),
    ],
)
async def test_what_is_refused_is_kept(
    service: Service, body: bytes, headers: dict[str, str], status: int
) -> None:
    headers = signed(body) | {"X-Other": "kept"} | headers
    await service.deliver(body, headers)
    response = await service.deliver(body, headers)
    assert response.status_code == status
    event_id = hashlib.sha256(body).hexdigest()
    row = await stored(service, event_id, "webhook")
    assert (row.body, row.problem) == (body, response.json()["detail"])
    assert (row.type, row.content_type) == (None, "application/json")
    assert '"x-other":"kept"' in row.headers
    assert "x-signature" not in row.headers
    assert await count_events(service) == {"webhook": 1}
    metrics = await service.metrics()
    assert metrics[REQUESTS.format("validation_error")] == 2
    assert await service.ids() == []
    assert [line["event_id"] for line in service.log_lines()[:2]] == [event_id] * 2


async def test_what_can_not_be_kept_is_to_come_again(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_inserts(store_class, monkeypatch):
        for headers in ({}, GZIP):
            response = await service.deliver(b"{}", signed(b"{}") | headers)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
    metrics = await service.metrics()
    assert metrics[REQUESTS.format("unavailable")] == 2
    assert metrics[REQUESTS.format("validation_error")] == 0
    assert (await service.deliver(b"{}")).status_code == 422
    assert await count_events(service) == {"webhook": 1}


@on_sqlite
async def test_what_nobody_signed_is_not_kept(service: Service) -> None:
    assert (await service.deliver(b"{}", signed(BODY))).status_code == 401
    assert (await service.deliver(b"{}", {} | GZIP)).status_code == 401
    assert (await service.deliver(b" " * (2**20 + 1))).status_code == 413
    assert (await service.deliver(message())).status_code == 200
    assert await count_events(service) == {}


def test_a_content_type_is_text_that_can_be_stored() -> None:
    headers = [(b"accept", b"a"), (b"content-type", b"a\0b\xff"), (b"content-type", b"c")]
    assert read_content_type(headers) == "a\ufffdb\xff"
    assert read_content_type([]) is None
