"""The probes, and the two formats of `/metrics`."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

from service.api import probes
from service.store.interface import Row, StoreError
from service.store.sqlite.reads import Reads
from tests.support.kinds import StoreClass, on_each_database, on_sqlite
from tests.support.service import (
    UNSIGNED,
    Service,
    message,
    running,
)

pytestmark = [pytest.mark.anyio, on_each_database]

parse_openmetrics: Callable[[str], Iterator[Metric]]
parse_openmetrics = openmetrics_parser.text_string_to_metric_families


# The probes


@on_sqlite
async def test_live(service: Service) -> None:
    response = await service.get("/health/live")
    assert (response.status_code, response.text) == (200, '{"status":"ok"}')


async def test_ready(service: Service) -> None:
    response = await service.get("/health/ready")
    assert (response.status_code, response.text) == (200, '{"status":"ready"}')


async def test_live_but_not_ready_without_a_secret(tmp_path: Path) -> None:
    async with running(tmp_path, **UNSIGNED) as service:
        assert (await service.get("/health/live")).status_code == 200
        response = await service.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert "WEBHOOK_SECRET" in response.json()["detail"]


async def test_ready_follows_the_database_by_itself(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(probes, "CHECK_SECONDS", 0)
    assert (await service.get("/health/ready")).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(store_class, "check", fail)
        response = await service.get("/health/ready")
        assert response.status_code == 503
        assert "disk I/O error" in response.json()["detail"]
        assert (await service.get("/health/live")).status_code == 200
    assert (await service.get("/health/ready")).status_code == 200


@on_sqlite
async def test_many_probes_share_one_look_at_the_database(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0

    async def count(_: object) -> None:
        nonlocal checks
        checks += 1
        await asyncio.sleep(0)

    monkeypatch.setattr(probes, "CHECK_SECONDS", 60)
    monkeypatch.setattr(store_class, "check", count)
    responses = await asyncio.gather(*[service.get("/health/ready") for _ in range(50)])
    assert {response.status_code for response in responses} == {200}
    assert checks == 1


@on_sqlite
async def test_slow_reads_do_not_make_it_red(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_slowly(*_: object) -> list[Row]:
        time.sleep(3)
        return []

    monkeypatch.setattr(probes, "CHECK_SECONDS", 0)
    monkeypatch.setattr(Reads, "page", read_slowly)
    reads = [
        asyncio.create_task(service.get("/messages?total=false" + more))
        for more in ("", "&q=hello") * 20
    ]
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    assert (await service.get("/health/ready")).status_code == 200
    assert time.monotonic() - begun < 1
    await service.store(message())
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


# The two formats

PLAIN, OPENMETRICS = "text/plain; version=0.0.4", "application/openmetrics-text"


@on_sqlite
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("*/*", PLAIN, id="anything"),
        pytest.param("", PLAIN, id="nothing"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN, id="a browser"),
        pytest.param("application/openmetrics-text", OPENMETRICS, id="OpenMetrics"),
        pytest.param("application/openmetrics-text; version=1.0.0", OPENMETRICS, id="with version"),
        pytest.param(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
            "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPENMETRICS,
            id="Prometheus 2",
        ),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
            "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPENMETRICS,
            id="Prometheus 3",
        ),
    ],
)
async def test_the_format_is_negotiated(service: Service, accept: str, content_type: str) -> None:
    response = await service.get("/metrics", accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(content_type)
    assert (response.text.endswith("# EOF\n")) == (content_type == OPENMETRICS)


@on_sqlite
@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=",
        "application/openmetrics-text; version=x",
        "application/openmetrics-text; version=1.0.0x",
        "application/openmetrics-text; version=-1",
        "application/openmetrics-text; version=1",
        "application/openmetrics-text; version=9.9.9",
        "application/openmetrics-text; version=" + "1." * 5_000,
        "application/openmetrics-text; version=" + "9" * 5_000,
        "application/openmetrics-text; version=\u00b2.0.0",
        "application/openmetrics-text; version=\u0661.0.0",
        "application/openmetrics-text; version=1.0.0; escaping=nonsense",
        "application/openmetrics-text; version=1.0.0; escaping=",
        "application/openmetrics-text; version=1.0.0; escaping=values",
        "text/plain; version=1.0.0; escaping=dots",
        "text/plain; version=x",
        "text/plain; version==;=;;,,=,;",
        "\u00ff\u00fe",
        "," * 10_000,
    ],
)
async def test_an_odd_accept_header_gets_metrics(service: Service, accept: str) -> None:
    response = await service.client.get("/metrics", headers=[(b"accept", accept.encode())])
    assert response.status_code == 200
    assert "webhook_requests_total" in response.text


async def test_both_formats_parse_and_hold_the_same(service: Service) -> None:
    await service.store(message())
    plain = (await service.get("/metrics")).text
    openmetrics = (await service.get("/metrics", accept=OPENMETRICS)).text
    families = list(parse_openmetrics(openmetrics))
    assert sample_names(parse_text(plain)) == sample_names(families)
    assert all(family.documentation for family in families)


def sample_names(families: Iterable[Metric]) -> set[str]:
    return {sample.name for family in families for sample in family.samples}
