"""GET /openapi.json: its examples are what the service answers."""

import json
from contextlib import ExitStack
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from service.api.answers import Page, PageOfEvents, StateOfSources, Stats, StoredEvent
from service.api.messages import export
from service.api.messages.walk import FORMATS
from service.errors import Unavailable
from service.messages.instants import parse_instant
from service.messages.message import decode_message
from service.store.interface import QueryTimeout, Row, StoreError
from tests.api.test_authorization import PROTECTED, TOKEN
from tests.api.test_errors import ALLOWED
from tests.support.api.events import event, store
from tests.support.api.openapi import (
    DOCUMENT,
    assert_described,
    described_errors,
    examples_of,
    operations,
    resolve,
    success,
)
from tests.support.api.webhooks import BODY
from tests.support.kinds import StoreClass, store_of
from tests.support.service import (
    ROOT,
    UNSIGNED,
    Service,
    message,
    running,
    signed,
)
from tests.support.wires import served

pytestmark = pytest.mark.anyio


WEBHOOK = resolve(DOCUMENT["paths"]["/webhook"]["post"])
MESSAGE = WEBHOOK["requestBody"]["content"]["application/json"]["example"]


def test_every_example_fits_its_schema() -> None:
    seen = 0
    for _, _, operation in operations():
        contents = [answer.get("content", {}) for answer in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        for content in contents:
            for by_type in content.values():
                for example in examples_of({"": by_type}):
                    jsonschema_rs.validate(by_type["schema"], example)
                    seen += 1
    assert seen > 50


@pytest.mark.parametrize(
    ("path", "struct"),
    [
        ("/messages", Page),
        ("/stats", Stats),
        ("/events", PageOfEvents),
        ("/events/{source}/{event_id}", StoredEvent),
        ("/sources", StateOfSources),
    ],
)
def test_the_examples_of_answers_are_those_of_the_encoder(path: str, struct: type) -> None:
    (example,) = examples_of(success(path))
    written = msgspec.json.encode(msgspec.json.decode(json.dumps(example), type=struct))
    assert json.loads(written) == example
    assert list(example) == [field.encode_name for field in msgspec.structs.fields(struct)]


def test_the_examples_of_exports_are_those_of_the_encoders() -> None:
    read = decode_message(json.dumps(MESSAGE).encode())
    row = Row(read.message_id, read.from_msisdn, read.to_msisdn, read.ts, read.text)
    assert read.ts == parse_instant(MESSAGE["ts"])
    examples = {name: content["example"] for name, content in success("/messages/export").items()}
    assert examples == {
        form.content_type: (form.head + form.encode([row])).decode() for form in FORMATS.values()
    }


async def test_the_example_is_signed_for_the_secret_of_just_run(tmp_path: Path) -> None:
    # The page sends what JSON.stringify(example, null, 2) writes.
    body = json.dumps(MESSAGE, indent=2).encode()
    (signature,) = (each for each in WEBHOOK["parameters"] if each["name"] == "X-Signature")
    async with running(tmp_path, WEBHOOK_SECRET="dev-secret") as service:
        answer = await service.deliver(body, {"X-Signature": signature["example"]})
        assert [answer.json()] == examples_of(WEBHOOK["responses"]["200"]["content"])
        assert (await service.get("/messages")).json() == examples_of(success("/messages"))[0]
        assert (await service.get("/stats")).json() == examples_of(success("/stats"))[0]
    assert "dev-secret" in (ROOT / "justfile").read_text()


async def test_the_metrics_have_the_media_types_that_it_names(service: Service) -> None:
    accepted = [f"{name}, */*" for name in success("/metrics")]
    found = [
        (await service.get("/metrics", Accept=each)).headers["content-type"] for each in accepted
    ]
    assert found == list(success("/metrics"))
    for example in {each.strip() for each in examples_of(success("/metrics"))}:
        assert example.rpartition(" ")[0] in await service.metrics()


async def test_the_refusals_of_a_webhook_are_its_examples(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    answers = [
        await service.deliver(message(), {}),
        await service.deliver(b" " * (2**20 + 1)),
        await service.deliver(BODY, signed(BODY) | {"Content-Encoding": "gzip"}),
        await service.deliver(message(**{"from": "+0"})),
    ]
    monkeypatch.setattr(store_class, "insert", fail)
    answers.append(await service.deliver(message()))
    assert [answer.status_code for answer in answers] == [401, 413, 415, 422, 503]
    for answer in answers:
        assert_described(answer, "/webhook", "post")
    assert_described(await service.client.post("/webhook/unknown"), "/webhook/{source}", "post")
    assert "1 MiB by default" in WEBHOOK["requestBody"]["description"]


@pytest.mark.parametrize("error", [StoreError("disk I/O error"), QueryTimeout("slow")])
async def test_the_refusals_of_reads_are_its_examples(
    service: Service, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(*_: object) -> None:
        raise error

    for name in ("page", "page_and_count", "totals", "events", "event", "source_totals"):
        monkeypatch.setattr(store_class, name, fail)
    for path in PROTECTED:
        if path == "/metrics":
            continue
        answer = await service.get(path)
        assert answer.status_code == 503
        assert_described(answer, path)
    assert_described(await service.get("/messages?limit=0"), "/messages")
    assert_described(await service.get("/messages/export?format=xml"), "/messages/export")
    assert_described(await service.get("/events?problem=1"), "/events")


async def test_what_is_not_there_is_its_example(service: Service) -> None:
    for path in (each for each in PROTECTED if "{" in each):
        assert_described(await service.get(path), path)


async def test_the_example_of_an_event_is_shown_like_this(service: Service) -> None:
    await store(
        service,
        event(
            "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "2026-11-23T12:00:00.25Z",
            headers='{"content-type":"application/json","x-github-event":"ping"}',
        ),
    )
    found = (await service.get("/events")).json()
    assert [found] == examples_of(success("/events"))
    assert found["data"] == examples_of(success("/events/{source}/{event_id}"))


def test_the_refusal_of_one_export_too_many_is_its_example(tmp_path: Path) -> None:
    exports = export.Export(store_of(f"sqlite:///{tmp_path / 'app.db'}"))
    with ExitStack() as stack:
        for _ in range(export.EXPORTS_MAX):
            stack.enter_context(exports._admitted())
        with pytest.raises(Unavailable) as refusal:
            stack.enter_context(exports._admitted())
    examples, _ = described_errors("/messages/export", "get", Unavailable.status)
    assert {"detail": refusal.value.detail} in examples


async def test_the_refusal_without_a_token_is_its_example(tmp_path: Path) -> None:
    async with running(tmp_path, READ_TOKEN=TOKEN, **UNSIGNED) as service:
        for path in PROTECTED:
            assert_described(await service.get(path), path)
        assert_described(await service.get("/health/ready"), "/health/ready")


@pytest.mark.parametrize(
    ("status", "request_bytes"),
    [
        (400, b"nonsense\r\n\r\n"),
        (431, b"GET /messages?q=" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ],
)
async def test_what_is_refused_before_it_has_a_route_is_told_for_each(
    tmp_path: Path, status: int, request_bytes: bytes
) -> None:
    async with served(tmp_path) as wires:
        wire = await wires.connect()
        await wire.send(request_bytes)
        answer = await wire.answer()
    assert answer.status == status
    for path, method, _ in operations():
        if method != "HEAD":
            examples, _ = described_errors(path, method.lower(), status)
            assert examples == [{"detail": answer.detail}]


async def test_head_is_get_without_the_body(tmp_path: Path) -> None:
    """The file describes the answers of HEAD by those of GET."""
    async with running(tmp_path, READ_TOKEN=TOKEN) as service:
        for authorization in (f"Bearer {TOKEN}", "none"):
            headers = {"Authorization": authorization, "X-Request-ID": "1"}
            for path, methods in ALLOWED.items():
                for url in (path, f"{path}?limit=0") if "HEAD" in methods else ():
                    get = await service.client.get(url, headers=headers)
                    head = await service.client.head(url, headers=headers)
                    assert head.status_code == get.status_code
                    assert set(head.headers) == set(get.headers)
