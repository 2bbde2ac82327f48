"""Every error has the right status and the one shape."""

import re
from pathlib import Path

import httpx
import pytest

from service.store.interface import StoreError
from tests.support.api.templates import store_named_by_the_templates
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import Service, encode, message, running, signed

pytestmark = [pytest.mark.anyio, on_each_database]

ALLOWED = {
    "/webhook": {"POST"},
    "/webhook/{source}": {"POST"},
    "/messages": {"GET", "HEAD"},
    "/messages/export": {"GET", "HEAD"},
    "/messages/{message_id}": {"GET", "HEAD"},
    "/stats": {"GET", "HEAD"},
    "/events": {"GET", "HEAD"},
    "/events/{source}/{event_id}": {"GET", "HEAD"},
    "/events/{source}/{event_id}/body": {"GET", "HEAD"},
    "/sources": {"GET", "HEAD"},
    "/health/live": {"GET", "HEAD"},
    "/health/ready": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/docs": {"GET", "HEAD"},
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


def assert_error(response: httpx.Response, status: int) -> str:
    """Check the shape of an error, and return its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["x-request-id"]
    content = response.json()
    assert list(content) == ["detail"]
    assert isinstance(content["detail"], str)
    assert content["detail"]
    assert "\n" not in content["detail"]
    return content["detail"]


@on_sqlite
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/webhook//",
        "/messages/",
        "/messages/m-1/",
        "/stats/",
        "/events/",
        "/events/github",
        "/events/github/1/",
        "/events%2Fgithub%2F1",
        "/sources/",
        "/metrics/",
        "/docs/",
        "/openapi.yaml",
        "/health",
        "/health/",
        "/health/live/",
        "/Webhook",
        "//webhook",
        "/webhook%2F",
        "/webhook%0A",
        "/messages%0A",
        "/webhook;x",
        "/%00",
        "/%FF%FE",
        "/.env",
        "/" + "x" * 20_000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_path(service: Service, method: str, path: str) -> None:
    response = await service.client.request(
        method, httpx.URL("http://service", raw_path=path.encode())
    )
    assert_error(response, 404)


@on_sqlite
@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_a_path_does_not_know(service: Service, path: str, method: str) -> None:
    await store_named_by_the_templates(service)
    response = await service.client.request(
        method, "/webhook/github" if path == "/webhook/{source}" else path
    )
    if method in ALLOWED[path]:
        assert response.status_code in (200, 401)
        return
    assert response.status_code == 405
    if method != "HEAD":
        assert_error(response, 405)
    assert set(re.split(", ?", response.headers["allow"])) == ALLOWED[path]


@on_sqlite
async def test_the_path_of_a_webhook_may_end_in_a_slash(service: Service) -> None:
    """No redirect, which senders do not follow. The line and the metrics name the route."""
    body = encode(message())
    response = await service.client.post("/webhook/?a=b", content=body, headers=signed(body))
    assert (response.status_code, await service.ids()) == (200, ["m-1"])
    response = await service.get("/webhook/")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    metrics = await service.metrics()
    for method, status in (("POST", 200), ("GET", 405)):
        labels = f'{{method="{method}",path="/webhook",status="{status}"}}'
        assert metrics[f"http_requests_total{labels}"] == 1
    assert [line["path"] for line in service.log_lines()][::2] == ["/webhook", "/webhook"]


async def test_every_refusal_has_the_shape(tmp_path: Path) -> None:
    body = encode(message())
    async with running(tmp_path, MAX_BODY_BYTES="1000", READ_TOKEN="t") as service:
        assert_error(await service.deliver(b" " * 1001), 413)
        assert assert_error(await service.deliver(body, {}), 401) == "invalid signature"
        assert "from" in assert_error(await service.deliver(message(**{"from": "+1"})), 422)
        assert_error(await service.get("/stats"), 401)
        detail = assert_error(await service.get("/messages?limit=0", Authorization="Bearer t"), 422)
        assert "limit" in detail


async def test_no_secret_is_a_refusal_like_others(tmp_path: Path) -> None:
    async with running(tmp_path, WEBHOOK_SECRET="") as service:
        assert_error(await service.deliver(message()), 503)


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/messages", "page_and_count"),
        ("/messages?total=false", "page"),
        ("/stats", "totals"),
        ("/events", "events"),
        ("/events/github/1", "event"),
        ("/events/github/1/body", "event"),
        ("/sources", "source_totals"),
    ],
)
async def test_a_database_that_does_not_answer_is_no_internal_error(
    service: Service,
    store_class: StoreClass,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    function: str,
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(store_class, function, fail)
    response = await service.get(path)
    assert_error(response, 503)
    assert "retry-after" in response.headers


@pytest.mark.parametrize("path", ["/messages", "/stats"])
async def test_a_mistake_of_the_service_tells_nothing(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("a private matter")

    for function in ("page_and_count", "totals"):
        monkeypatch.setattr(store_class, function, fail)
    detail = assert_error(await service.get(path), 500)
    assert "private" not in detail
    assert "Zero" not in detail


async def test_a_mistake_in_storing_is_told_as_not_stored(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("a private matter")

    monkeypatch.setattr(store_class, "insert", fail)
    assert "private" not in assert_error(await service.deliver(message()), 503)


# X-Request-ID


@on_sqlite
@pytest.mark.parametrize("sane", ["a", "A-z_0.9", "x" * 128, "-", "..", "0" * 64])
async def test_a_sane_request_id_comes_back(service: Service, sane: str) -> None:
    for path in ("/health/live", "/nothing", "/messages?limit=0"):
        assert (await service.get(path, **{"X-Request-ID": sane})).headers["x-request-id"] == sane


@on_sqlite
@pytest.mark.parametrize(
    "insane",
    [
        b"",
        b" ",
        b"x" * 129,
        b"a b",
        b"a,b",
        b"a/b",
        b"a\tb",
        b"a\r\nSet-Cookie: b",
        b"a\n",
        b"\x00",
        b"\x7f",
        b"\xe9",
        "\u0661".encode(),
        b"<script>",
        b"{}",
    ],
)
async def test_an_insane_request_id_is_replaced(service: Service, insane: bytes) -> None:
    headers = [(b"X-Request-ID", insane)]
    response = await service.client.get("/health/live", headers=headers)
    given = response.headers["x-request-id"]
    assert given.encode() != insane
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", given)


@on_sqlite
async def test_fresh_request_ids_are_all_different(service: Service) -> None:
    responses = [await service.get("/health/live") for _ in range(100)]
    assert len({response.headers["x-request-id"] for response in responses}) == 100


async def test_an_answer_has_one_request_id(service: Service) -> None:
    body = encode(message())
    headers = signed(body) | {"X-Request-ID": "mine"}
    response = await service.deliver(body, headers)
    assert response.headers.get_list("x-request-id") == ["mine"]
