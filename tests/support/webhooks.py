"""Webhooks: one that is valid, what became of it, and what a refusal of it is."""

from tests.support.service import Json, Service, encode, message

BODY = encode(message())


async def only_row(service: Service) -> Json:
    """What GET /messages shows of the one message that is there."""
    (row,) = (await service.get("/messages")).json()["data"]
    assert isinstance(row, dict)
    return row


async def assert_refused(service: Service, content: Json | bytes, field: str) -> None:
    """422, the field named, the value not repeated, and nothing stored."""
    response = await service.deliver(content)
    assert response.status_code == 422, response.text
    detail = response.json()["detail"]
    assert detail.startswith(field)
    assert "Hello" not in detail
    assert await service.ids() == []
    assert (await service.metrics())['webhook_requests_total{result="validation_error"}'] == 1
