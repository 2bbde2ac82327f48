"""Helpers for the tests of events."""

import json
from typing import Any
from urllib.parse import quote, urlencode

from service.messages.event import Event
from service.messages.instants import parse_instant
from tests.support.service import Json, Service

BODY = b'{"zen": "Keep it logically awesome."}'


def event(event_id: str = "e-1", ts: str = "2026-11-23T12:00:00Z", **changes: Any) -> Event:
    """An event as the store takes it."""
    given: Json = {
        "source": "github",
        "event_id": event_id,
        "type": "ping",
        "received_at": parse_instant(ts),
        "headers": '{"x-github-event":"ping"}',
        "content_type": "application/json",
        "body": BODY,
        "problem": None,
    }
    return Event(**given | changes)


def show(event: Event) -> Json:
    """The event as GET /events shows it, where its body is JSON."""
    return {
        "source": event.source,
        "id": event.event_id,
        "type": event.type,
        "received_at": "2026-11-23T12:00:00Z",
        "headers": json.loads(event.headers),
        "content_type": event.content_type,
        "body": json.loads(event.body),
        "problem": event.problem,
        "message_ids": event.list_message_ids(),
    }


def path_of(source: str, event_id: str) -> str:
    return f"/events/{quote(source, safe='')}/{quote(event_id, safe='')}"


async def store(service: Service, *events: Event) -> None:
    await service.app._store.insert([], events)


async def page(service: Service, **parameters: Any) -> Json:
    response = await service.get("/events?" + urlencode(parameters))
    assert response.status_code == 200, response.text
    content = response.json()
    assert isinstance(content, dict)
    return content


def ids(content: Json) -> str:
    return "".join(shown["id"] for shown in content["data"])


async def walk(service: Service, **parameters: Any) -> list[Json]:
    """The pages of a walk by cursor."""
    pages = [await page(service, **parameters)]
    while pages[-1]["next"] is not None:
        pages.append(await page(service, **parameters, cursor=pages[-1]["next"]))
    return pages
