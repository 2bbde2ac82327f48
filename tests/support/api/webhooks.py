"""Helpers for the tests of POST /webhook."""

from collections.abc import Sequence

from service.errors import InvalidSignature
from service.sources import signature
from tests.support.service import Json, Service, encode, message

BODY = encode(message())


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
        return signature.verify(secrets, body, headers)
    except InvalidSignature as error:
        return error.failure
