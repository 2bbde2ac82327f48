"""Helpers for the tests of GET /messages."""

from typing import Any
from urllib.parse import urlencode

from tests.support.service import Json, Service

ANNA, BERT, CARL = "+4911", "+4922", "+4933"


def row(message_id: str, sender: str, recipient: str, ts: str, text: str | None) -> Json:
    return {"message_id": message_id, "from": sender, "to": recipient, "ts": ts, "text": text}


async def page(service: Service, **parameters: Any) -> Json:
    response = await service.get("/messages?" + urlencode(parameters))
    assert response.status_code == 200, response.text
    content = response.json()
    assert isinstance(content, dict)
    return content


def ids(content: Json) -> str:
    return "".join(shown["message_id"] for shown in content["data"])


async def walk(service: Service, **parameters: Any) -> list[str]:
    """All ids, from a walk by cursor."""
    found: list[str] = []
    cursor: Json = {}
    while True:
        content = await page(service, **parameters, **cursor)
        found += [shown["message_id"] for shown in content["data"]]
        if content["next"] is None:
            return found
        cursor = {"cursor": content["next"]}


async def assert_refused(service: Service, query: str, named: str) -> None:
    response = await service.get(f"/messages?{query}")
    assert response.status_code == 422, response.text
    assert named in response.json()["detail"]
