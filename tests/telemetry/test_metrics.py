"""The metrics: which there are, what they count, and a bound on the number of series."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from service.errors import RequestError
from service.messages.message import RULES
from service.sources.signature import FAILURES
from service.store.interface import StoreError
from service.telemetry.metrics import (
    MESSAGE_REFUSALS,
    REFUSALS,
    STATUSES,
    WEBHOOK_RESULTS,
    Metrics,
)
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import Service, encode, message, running, signed, without

pytestmark = [pytest.mark.anyio, on_each_database]

# What they count


async def test_every_promised_metric_has_its_type_and_labels(service: Service) -> None:
    await service.store(message())
    families = list(parse_text((await service.get("/metrics")).text))
    shown = {
        family.name: (family.type, {label for sample in family.samples for label in sample.labels})
        for family in families
        if not family.name.startswith(("process_", "python_"))
    }
    assert shown == {
        "http_requests": ("counter", {"method", "path", "status"}),
        "http_request_duration_seconds": ("histogram", {"method", "path", "le"}),
        "webhook_requests": ("counter", {"source", "result"}),
        "webhook_refusals": ("counter", {"source", "reason"}),
        "webhook_last_received_timestamp_seconds": ("gauge", {"source"}),
        "webhook_secret_last_used_timestamp_seconds": ("gauge", {"source", "secret"}),
        "ingest_batch_messages": ("histogram", {"le"}),
        "ingest_commit_duration_seconds": ("histogram", {"le"}),
        "ingest_queue_messages": ("gauge", set()),
        "index_lag_messages": ("gauge", set()),
        "checkpoint_blocked_seconds": ("gauge", set()),
        "webhook_conflicts": ("counter", set()),
        "http_connections": ("gauge", set()),
        "http_connections_refused": ("counter", set()),
        "log_lines_dropped": ("counter", set()),
        "database_bytes": ("gauge", {"file"}),
        "service_build_info": ("gauge", {"version", "python", "database"}),
    }


async def test_what_can_be_counted_begins_at_zero(service: Service) -> None:
    metrics = await service.metrics()
    for result in WEBHOOK_RESULTS:
        assert metrics[f'webhook_requests_total{{result="{result}",source="webhook"}}'] == 0
    for reason in REFUSALS + MESSAGE_REFUSALS:
        assert metrics[f'webhook_refusals_total{{reason="{reason}",source="webhook"}}'] == 0
    for name in (
        "webhook_conflicts_total",
        "http_connections_refused_total",
        "log_lines_dropped_total",
        "ingest_queue_messages",
        "index_lag_messages",
        "checkpoint_blocked_seconds",
    ):
        assert metrics[name] == 0
    assert metrics["ingest_batch_messages_count"] == 0


async def test_every_result_is_counted(
    tmp_path: Path, database_url: str, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    async with running(tmp_path, DATABASE_URL=database_url, MAX_BODY_BYTES="1000") as service:
        await service.store(message())
        for content, headers in (
            (message(), None),
            (message(), {}),
            (b"{}", None),
            (b" " * 1001, {}),
        ):
            await service.deliver(content, headers)
        monkeypatch.setattr(store_class, "insert", fail)
        await service.deliver(message(message_id="m-2"))
        metrics = await service.metrics()
    counts = {
        result: metrics[f'webhook_requests_total{{result="{result}",source="webhook"}}']
        for result in RESULTS
    }
    assert counts == dict.fromkeys(RESULTS, 1)


RESULTS = (
    "created",
    "duplicate",
    "invalid_signature",
    "validation_error",
    "too_large",
    "unavailable",
)


async def test_every_refusal_is_counted_by_its_reason(service: Service) -> None:
    for field in RULES:
        await service.deliver(message(**{field: 5}))
    await service.deliver(without("ts"))
    await service.deliver(b"no JSON")
    await service.deliver(b"[]")
    await service.deliver(message(), {})
    await service.deliver(message(), {"X-Signature": "garbage"})
    await service.deliver(message(), signed(b""))
    body = encode(message())
    await service.deliver(body, signed(body) | {"Content-Encoding": "gzip"})
    metrics = await service.metrics()
    counts = {
        reason: metrics[f'webhook_refusals_total{{reason="{reason}",source="webhook"}}']
        for reason in REFUSALS + MESSAGE_REFUSALS
    }
    unsigned_time = {"expired": 0, "future": 0}
    assert counts == dict.fromkeys(counts, 1) | {"body": 2, "ts": 2} | unsigned_time
    assert {*FAILURES} < {*REFUSALS}
    assert {*RULES} < {*MESSAGE_REFUSALS}


async def test_requests_are_counted_and_timed_by_route(service: Service) -> None:
    await service.store(message())
    await service.get("/messages?limit=1")
    await service.get("/messages?limit=0")
    await service.client.head("/stats")
    metrics = await service.metrics()
    requests = "http_requests_total"
    assert metrics[f'{requests}{{method="POST",path="/webhook",status="200"}}'] == 1
    assert metrics[f'{requests}{{method="GET",path="/messages",status="200"}}'] == 1
    assert metrics[f'{requests}{{method="GET",path="/messages",status="422"}}'] == 1
    assert metrics[f'{requests}{{method="HEAD",path="/stats",status="200"}}'] == 1
    seconds = 'http_request_duration_seconds_{}{{method="GET",path="/messages"}}'
    assert metrics[seconds.format("count")] == 2
    assert 0 < metrics[seconds.format("sum")] < 60


async def test_commits_are_measured(service: Service) -> None:
    await asyncio.gather(*[service.store(message(message_id=str(n))) for n in range(20)])
    metrics = await service.metrics()
    assert metrics["ingest_batch_messages_sum"] == 20
    commits = metrics["ingest_batch_messages_count"]
    assert 1 <= commits < 20
    assert metrics["ingest_commit_duration_seconds_count"] == commits
    assert metrics["ingest_commit_duration_seconds_sum"] > 0


async def test_what_waits_for_its_commit_is_shown(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_commit, is_committing = asyncio.Event(), asyncio.Event()
    insert = store_class.insert

    async def wait(store: Any, *batch: Any) -> Any:
        is_committing.set()
        await may_commit.wait()
        return await insert(store, *batch)

    monkeypatch.setattr(store_class, "insert", wait)
    first = []
    for number in range(service.app._store.batches_in_flight):
        is_committing.clear()
        content = message(message_id=f"first-{number}")
        first.append(asyncio.create_task(service.store(content)))
        await is_committing.wait()
    others = [asyncio.create_task(service.store(message(message_id=str(n)))) for n in range(1, 4)]
    await asyncio.sleep(0)
    assert (await service.metrics())["ingest_queue_messages"] == 3
    may_commit.set()
    await asyncio.gather(*first, *others)
    assert (await service.metrics())["ingest_queue_messages"] == 0


async def test_what_waits_for_the_index_is_shown(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = service.app._store
    monkeypatch.setattr(store._indexer, "messages_behind", lambda: 7)
    assert (await service.metrics())["index_lag_messages"] == 7


@on_sqlite
async def test_the_database_files_are_measured(service: Service, tmp_path: Path) -> None:
    await service.store(message())
    metrics = await service.metrics()
    for label, name in (("main", "app.db"), ("wal", "app.db-wal")):
        assert metrics[f'database_bytes{{file="{label}"}}'] == (tmp_path / name).stat().st_size


@pytest.mark.databases("postgres")
async def test_the_database_of_a_server_is_measured(service: Service) -> None:
    while True:
        metrics = await service.metrics()
        assert 'database_bytes{file="wal"}' not in metrics
        if metrics['database_bytes{file="main"}'] > 1_000_000:
            break
        await asyncio.sleep(0.01)


@on_sqlite
async def test_the_interpreter_is_shown(service: Service) -> None:
    assert any(name.startswith("python_info{") for name in await service.metrics())


@on_sqlite
@pytest.mark.skipif(not Path("/proc").exists(), reason="a process is measured in /proc")
async def test_the_process_is_measured(service: Service) -> None:
    metrics = await service.metrics()
    assert metrics["process_resident_memory_bytes"] > 1_000_000
    assert metrics["process_cpu_seconds_total"] > 0


ENGINES = {"sqlite": "sqlite 3.", "postgres": "postgresql "}


async def test_build_info(service: Service, database_kind: str) -> None:
    (name,) = [name for name in await service.metrics() if name.startswith("service_build_info")]
    assert f'database="{ENGINES[database_kind]}' in name
    assert (await service.metrics())[name] == 1


# A client cannot create series


def requests_shown(metrics: dict[str, float]) -> set[str]:
    return {name for name in metrics if name.startswith("http_")}


@on_sqlite
async def test_unknown_paths_share_one_series(service: Service) -> None:
    await service.get("/0")
    await service.metrics()
    before = requests_shown(await service.metrics())
    for number in range(1_000):
        await service.get(f"/{number}")
    odd = ("/webhook//", "/Webhook", "//webhook", "/stats/1", "/unmatched", "/\u00e9", "/%00")
    for path in odd:
        assert (await service.get(path)).status_code == 404
    metrics = await service.metrics()
    assert requests_shown(metrics) == before
    unmatched = 'http_requests_total{method="GET",path="unmatched",status="404"}'
    assert metrics[unmatched] == 1_001 + len(odd)


@on_sqlite
async def test_unknown_methods_share_one_series(service: Service) -> None:
    for number in range(100):
        await service.client.request(f"METHOD{number}", "/webhook")
    metrics = await service.metrics()
    assert metrics['http_requests_total{method="other",path="/webhook",status="405"}'] == 100
    assert not any("METHOD" in name for name in metrics)


def test_every_status_of_a_refusal_has_a_series_of_its_own() -> None:
    statuses = {error.status for error in RequestError.__subclasses__()}
    assert len(statuses) > 5
    assert statuses < set(STATUSES)


def test_a_status_that_nobody_knows_is_counted_as_other() -> None:
    metrics = Metrics(("/webhook",))
    for status in (0, 299, 599):
        metrics.observe_request("POST", "/webhook", status, 0.1)
    labels = {"method": "POST", "path": "/webhook", "status": "other"}
    assert metrics.registry.get_sample_value("http_requests_total", labels) == 3


async def test_no_label_holds_what_a_client_sent(service: Service) -> None:
    marks = ["mark-1", "mark-2", "mark-3", "mark-4", "mark-5"]
    body = message(message_id=marks[0], text=marks[1])
    await service.store(body)
    await service.deliver(body, signed(b"") | {"X-Request-ID": marks[2]})
    await service.get(f"/messages?q={marks[3]}")
    await service.get(f"/{marks[4]}")
    text = (await service.get("/metrics")).text
    assert not [mark for mark in marks if mark in text]
