"""POST /webhook/{source}: what is stored, what is refused, and what becomes known of it."""

import base64
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.api.webhooks import (
    PUSH,
    count_events,
    failing_inserts,
    github,
    only_row,
    send,
    stored,
)
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import SECRET, Service, running, signature

pytestmark = [pytest.mark.anyio, on_each_database]

REQUESTS = 'webhook_requests_total{{result="{}",source="github"}}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PUSH, id="JSON"),
        pytest.param(b' {"a" : 1}\r\n', id="JSON with white space"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00\xfe", id="bytes"),
        pytest.param(b'{"a":"\\ud800\\u0000"}', id="a surrogate and U+0000"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, id="5,000 objects"),
        pytest.param("&".join(f"a{n}={n}" for n in range(10_000)).encode(), id="10,000 fields"),
        pytest.param(b"x" * 2**20, id="1 MiB"),
    ],
)
async def test_no_body_is_invalid(service: Service, body: bytes) -> None:
    response = await send(service, body)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    row = await stored(service, "d-1")
    assert (row.body, row.type, row.problem) == (body, "push", None)
    assert row.content_type == "application/json"


async def test_an_event_is_stored_once(service: Service) -> None:
    for body in (PUSH, PUSH, b"{}"):
        response = await send(service, body)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert (await stored(service, "d-1")).body == PUSH
    assert await count_events(service) == {"github": 1}
    metrics = await service.metrics()
    assert metrics[REQUESTS.format("created")] == 1
    assert metrics[REQUESTS.format("duplicate")] == 2
    assert metrics["webhook_conflicts_total"] == 1
    lines = service.log_lines()
    assert [
        (line["source"], line["event_id"], line["dup"], line.get("conflict"))
        for line in lines
        if line["path"] == "/webhook/github"
    ] == [
        ("github", "d-1", False, None),
        ("github", "d-1", True, None),
        ("github", "d-1", True, True),
    ]


@on_sqlite
async def test_what_a_sender_must_not_show_again_is_not_kept(service: Service) -> None:
    private = {"Authorization": "mark", "Cookie": "mark", "X-Other": "kept"}
    await send(service, PUSH, github(PUSH) | private)
    headers = (await stored(service, "d-1")).headers
    assert '"x-other":"kept"' in headers
    assert "mark" not in headers
    assert signature(PUSH) not in headers


@on_sqlite
@pytest.mark.parametrize("event_id", ["i" * 256, "", "  "])
async def test_a_bad_id_is_replaced(service: Service, event_id: str) -> None:
    assert (await send(service, PUSH, github(PUSH, event_id))).status_code == 200
    events = await service.app._store.source_totals()
    assert [(row.source, row.problem_count) for row in events] == [("github", 1)]


@on_sqlite
async def test_a_path_may_end_in_one_slash(service: Service) -> None:
    assert (await send(service, PUSH, source="github/")).status_code == 200
    assert (await send(service, PUSH, source=quote("github/", safe=""))).status_code == 404
    assert (await send(service, PUSH, source="github//")).status_code == 404
    assert await count_events(service) == {"github": 1}


# Refusals


@on_sqlite
@pytest.mark.parametrize("source", ["stripe", "GitHub", "webhook", "\u00e4", "%00", "a%2Fb"])
async def test_an_unknown_source_is_not_read(service: Service, source: str) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield PUSH

    path = f"/webhook/{source}"
    response = await service.client.post(path, content=body(), headers=github(PUSH))
    assert response.status_code == 404
    assert read == 0
    assert not [name for name in await service.metrics() if "stripe" in name]


@on_sqlite
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"X-Hub-Signature-256": f"sha256={signature(b'')}"}, "mismatch", id="false"),
        pytest.param({"X-Hub-Signature-256": ""}, "missing", id="empty"),
        pytest.param({"X-Hub-Signature-256": "sha256=\u00e9"}, "malformed", id="no ASCII"),
        pytest.param({"X-Hub-Signature-256": signature(PUSH)}, "malformed", id="no prefix"),
    ],
)
async def test_the_failure_of_a_signature_is_told_to_the_operator_alone(
    service: Service, change: dict[str, str], reason: str
) -> None:
    changed = [
        (name.encode(), value.encode("latin-1")) for name, value in (github(PUSH) | change).items()
    ]
    response = await service.client.post("/webhook/github", content=PUSH, headers=changed)
    assert (response.status_code, response.json()) == (401, {"detail": "invalid signature"})
    assert not any(reason in value for value in response.headers.values())
    metrics = await service.metrics()
    assert metrics[f'webhook_refusals_total{{reason="{reason}",source="github"}}'] == 1
    assert metrics[REQUESTS.format("invalid_signature")] == 1
    assert metrics['webhook_last_received_timestamp_seconds{source="github"}'] == 0
    (refused,) = service.app._tallies["github"].refusals.last
    assert refused[1:] == (reason, "127.0.0.1", len(PUSH))
    assert await count_events(service) == {}
    line = service.log_lines()[0]
    assert (line["source"], line["reason"]) == ("github", reason)
    assert "event_id" not in line


@on_sqlite
async def test_a_stale_timestamp_is_named(tmp_path: Path) -> None:
    headers = {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": f"v0={signature(b'v0:1531420618:' + PUSH)}",
    }
    async with running(tmp_path, SOURCE_SLACK_SECRET=SECRET) as service:
        assert (await send(service, PUSH, headers, "slack")).status_code == 401
        metrics = await service.metrics()
    assert metrics['webhook_refusals_total{reason="expired",source="slack"}'] == 1


@on_sqlite
async def test_a_body_that_is_too_large_is_not_kept(tmp_path: Path) -> None:
    async with running(tmp_path, MAX_BODY_BYTES="1000") as service:
        assert (await send(service, b" " * 1001)).status_code == 413
        assert (await send(service, b" " * 1000)).status_code == 200
        assert await count_events(service) == {"github": 1}
        assert (await service.metrics())[REQUESTS.format("too_large")] == 1


async def test_a_compressed_body_is_refused_and_kept(service: Service) -> None:
    """Under its hash, so that the sender can repeat the delivery without compression."""
    headers = github(PUSH) | {"Content-Encoding": "gzip"}
    response = await send(service, PUSH, headers)
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"
    assert (await send(service, PUSH)).status_code == 200
    assert (await stored(service, "d-1")).problem is None
    line = service.log_lines()[0]
    assert await count_events(service) == {"github": 2}
    assert line["reason"] == response.json()["detail"]


async def test_a_compressed_body_is_found_under_its_hash(service: Service) -> None:
    headers = github(PUSH) | {"Content-Encoding": "gzip"}
    await send(service, PUSH, headers)
    event_id = service.log_lines()[0]["event_id"]
    row = await stored(service, event_id)
    assert row.body == PUSH
    assert "Content-Encoding must be identity" in str(row.problem)


async def test_an_event_that_is_not_stored_is_not_acknowledged(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_inserts(store_class, monkeypatch):
        response = await send(service, PUSH)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert await count_events(service) == {}
    assert (await service.metrics())[REQUESTS.format("unavailable")] == 1
    assert (await send(service, PUSH)).status_code == 200


@on_sqlite
async def test_only_post_is_allowed(service: Service) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        response = await service.client.request(method, "/webhook/github")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


# Sources


@on_sqlite
async def test_a_source_has_secrets_of_its_own(tmp_path: Path) -> None:
    async with running(
        tmp_path,
        SOURCE_GITHUB_SECRET="new",
        SOURCE_GITHUB_SECRET_PREVIOUS="old",
        SOURCE_MY_FORK_SECRET="fork",
        SOURCE_MY_FORK_SCHEME="github",
    ) as service:
        for secret, source, status in (
            ("new", "github", 200),
            ("old", "github", 200),
            ("fork", "github", 401),
            (SECRET, "github", 401),
            ("fork", "my-fork", 200),
        ):
            response = await send(service, PUSH, github(PUSH, secret=secret), source)
            assert response.status_code == status
        metrics = await service.metrics()
        assert await count_events(service) == {"github": 1, "my-fork": 1}
    used = "webhook_secret_last_used_timestamp_seconds"
    assert metrics[f'{used}{{secret="previous",source="github"}}'] > 0
    assert metrics[f'{used}{{secret="current",source="my-fork"}}'] > 0
    assert metrics[f'{used}{{secret="previous",source="my-fork"}}'] == 0
    path = 'http_requests_total{method="POST",path="/webhook/{source}",status="200"}'
    assert metrics[path] == 3
    (line,) = service.log_lines("sources")
    assert line["schemes"] == {"github": "github", "my-fork": "github"}


@on_sqlite
async def test_a_service_with_sources_alone_is_ready(tmp_path: Path) -> None:
    async with running(tmp_path, WEBHOOK_SECRET="") as service:
        assert (await service.get("/health/ready")).status_code == 200
        assert (await send(service, PUSH)).status_code == 200
        assert (await service.deliver(b"{}")).status_code == 503
    assert not service.log_lines("no_secret")


# Handshakes


@on_sqlite
async def test_a_handshake_by_get(tmp_path: Path) -> None:
    async with running(
        tmp_path, SOURCE_META_SECRET=SECRET, SOURCE_META_VERIFY_TOKEN="token"
    ) as service:
        query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
        response = await service.get(f"/webhook/meta?{query}token")
        assert (response.status_code, response.text) == (200, "1158201444")
        assert (await service.get(f"/webhook/meta/?{query}other")).status_code == 403
        assert await count_events(service) == {}


async def test_a_handshake_by_post_is_not_stored(tmp_path: Path, database_url: str) -> None:
    body = b'{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV","type":"url_verification"}'
    async with running(
        tmp_path,
        DATABASE_URL=database_url,
        SOURCE_SLACK_SECRET=SECRET,
    ) as service:
        now = int(time.time())
        headers = {
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": f"v0={signature(f'v0:{now}:'.encode() + body)}",
        }
        response = await send(service, body, headers, "slack")
        assert (response.status_code, response.text) == (200, "3eZbrw1aBm2rZgRNFdxV")
        assert await count_events(service) == {}


# Messages


async def test_a_message_is_stored_with_its_event(tmp_path: Path, database_url: str) -> None:
    """Twilio signs the public URL, and wants TwiML."""
    url = "https://example.com/webhook/twilio"
    body = b"MessageSid=SM1&From=%2B14155550100&To=73837&Body=Hello+there"
    signed = f"{url}BodyHello thereFrom+14155550100MessageSidSM1To73837"
    digest = hmac.digest(SECRET.encode(), signed.encode(), "sha1")
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "example.com",
    }
    environment = {"DATABASE_URL": database_url, "SOURCE_TWILIO_SECRET": SECRET}
    async with running(tmp_path, **environment) as service:
        assert (await send(service, body, headers, "twilio")).status_code == 401
    async with running(tmp_path, TRUSTED_PROXIES="127.0.0.1", **environment) as service:
        response = await send(service, body, headers, "twilio")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/xml")
        assert response.text.endswith("<Response/>")
        row = await only_row(service)
        assert (row["message_id"], row["to"], row["text"]) == ("SM1", "73837", "Hello there")
        assert (await service.app._store.source_totals())[0].problem_count == 0
    async with running(tmp_path, SOURCE_TWILIO_URL=url, **environment) as service:
        assert (await send(service, body, headers, "twilio")).status_code == 200
