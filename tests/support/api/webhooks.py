"""Helpers for the tests of POST /webhook."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import httpx
import pytest

from service.errors import InvalidSignature
from service.sources.signature import prepare
from service.sources.signature import verify as verify_signature
from service.store.interface import EventRow, StoreError
from tests.support.kinds import StoreClass
from tests.support.service import SECRET, Json, Service, encode, message, signature

BODY = encode(message())
PUSH = b'{"ref":"refs/heads/main","commits":[]}'


def github(body: bytes, event_id: str = "d-1", secret: str = SECRET) -> dict[str, str]:
    """The headers that GitHub sends with a body."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Delivery": event_id,
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={signature(body, secret)}",
    }


async def send(
    service: Service, body: bytes, headers: Mapping[str, str] | None = None, source: str = "github"
) -> httpx.Response:
    """POST an event, signed as GitHub does unless `headers` are given."""
    headers = github(body) if headers is None else headers
    return await service.client.post(f"/webhook/{source}", content=body, headers=headers)


async def stored(service: Service, event_id: str, source: str = "github") -> EventRow:
    """The event of this id, which must be there."""
    row = await service.app._store.event(source, event_id)
    assert row is not None
    return row


async def count_events(service: Service) -> dict[str, int]:
    """How many events each source has."""
    return {row.source: row.event_count for row in await service.app._store.source_totals()}


async def only_row(service: Service) -> Json:
    """The only message, as GET /messages shows it."""
    (row,) = (await service.get("/messages")).json()["data"]
    assert isinstance(row, dict)
    return row


async def assert_refused(service: Service, content: Json | bytes, field: str) -> None:
    """Check that the answer is 422, names the field and not the value, and nothing is stored."""
    response = await service.deliver(content)
    assert response.status_code == 422, response.text
    detail = response.json()["detail"]
    assert detail.startswith(field)
    assert "Hello" not in detail
    assert await service.ids() == []
    assert (await service.metrics())[
        'webhook_requests_total{result="validation_error",source="webhook"}'
    ] == 1


def verify(secrets: Sequence[bytes], body: bytes, *headers: bytes) -> int | str:
    """The index of the secret that signs the body, or the failure of the signature."""
    try:
        return verify_signature(prepare(secrets), body, headers)
    except InvalidSignature as error:
        return error.failure


@contextlib.contextmanager
def failing_inserts(store_class: StoreClass, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, the database stores nothing and says so."""

    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(store_class, "insert", fail)
        yield
