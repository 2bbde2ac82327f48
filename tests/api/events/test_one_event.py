"""GET /events/{source}/{event_id}, and …/body."""

import re

import pytest

from tests.support.api.events import event, path_of, show, store
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Service

pytestmark = [pytest.mark.anyio, on_each_database]

IDS = [
    "e-1",
    "body",
    "a/body",
    "/body",
    "a/b",
    "/",
    "%2F",
    "100%",
    "?x=1&y#z",
    'é"\r\nSet-Cookie: a=b',
    "\N{PARTY POPPER}" * 255,
    "+",
    " ",
    "feed",
    "..%",
]


async def test_one_event_by_its_id(service: Service) -> None:
    events = [event(each, body=b'{"id": %d}' % number) for number, each in enumerate(IDS)]
    await store(service, *events)
    for each in events:
        answer = await service.get(path_of("github", each.event_id))
        assert (answer.status_code, answer.json()) == (200, show(each))
        assert answer.headers["content-type"] == "application/json"
        body = await service.get(path_of("github", each.event_id) + "/body")
        assert (body.status_code, body.content) == (200, each.body)


async def test_the_id_of_another_source_is_another_event(service: Service) -> None:
    await store(service, event("1", source="a"), event("1", source="b", body=b"b"))
    assert (await service.get("/events/b/1/body")).content == b"b"
    assert (await service.get("/events/a/1")).json()["source"] == "a"
    assert (await service.get("/events/c/1")).status_code == 404


async def test_what_is_not_there_is_404(five: Service) -> None:
    for path in (
        "github/9",
        "github/1%00",
        "%00/1",
        "github/%",
        "github/%zz",
        "github/%FF",
        "github/%ED%A0%80",
        "github/" + "1" * 300,
        "github/1/",
        "github/1/body/",
        "github/1/body/body",
        "github/1/Body",
        "github/1%2Fbody",
        "github%2F1",
        "github/",
        "github",
        "/1",
        "//body",
        "github//body",
        "GITHUB/1",
        "",
    ):
        for answer in (
            await five.get(f"/events/{path}"),
            await five.client.head(f"/events/{path}"),
        ):
            assert answer.status_code == 404, path
    detail = (await five.get("/events/github/9")).json()["detail"]
    assert detail == "there is no event of this source with this id"


@pytest.mark.parametrize("content_type", [None, "text/html", "image/svg+xml", "text/javascript"])
async def test_a_body_is_a_download_that_no_browser_runs(
    service: Service, content_type: str | None
) -> None:
    body = b"<script>alert(1)</script>"
    await store(service, event("1.html", body=body, content_type=content_type))
    answer = await service.get("/events/github/1.html/body")
    assert answer.content == body
    expected = {
        "content-type": "application/octet-stream",
        "content-disposition": 'attachment; filename="github-1.html.bin"',
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "content-length": str(len(body)),
    }
    assert {name: answer.headers[name] for name in expected} == expected
    head = await service.client.head("/events/github/1.html/body")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-disposition"] == expected["content-disposition"]


async def test_no_id_breaks_out_of_the_name_of_the_file(service: Service) -> None:
    await store(service, *[event(each) for each in IDS])
    for each in IDS:
        answer = await service.get(path_of("github", each) + "/body")
        assert "set-cookie" not in answer.headers
        disposition = answer.headers["content-disposition"]
        found = re.fullmatch(r'attachment; filename="(github-[\w.-]*\.bin)"', disposition, re.ASCII)
        assert found, disposition
        assert len(found[1]) < 128


@on_sqlite
async def test_a_large_body_that_is_no_json(service: Service) -> None:
    body = bytes(range(256)) * 4096
    await store(service, event(body=body))
    assert (await service.get("/events/github/e-1/body")).content == body
    shown = (await service.get("/events/github/e-1")).json()["body"]
    assert len(shown["base64"]) == 4 * -(-len(body) // 3)


@on_sqlite
async def test_the_metrics_have_the_templates_of_the_routes(five: Service) -> None:
    await five.get("/events/github/1")
    await five.get("/events/github/9/body")
    await five.client.post("/events/github/1/body")
    metrics = await five.metrics()
    for method, path, status in (
        ("GET", "/events/{source}/{event_id}", 200),
        ("GET", "/events/{source}/{event_id}/body", 404),
        ("POST", "/events/{source}/{event_id}/body", 405),
    ):
        labels = f'method="{method}",path="{path}",status="{status}"'
        assert metrics[f"http_requests_total{{{labels}}}"] == 1
