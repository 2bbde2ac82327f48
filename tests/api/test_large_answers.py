"""Large answers hold no more than they may, however slowly their clients read."""

import asyncio
from typing import Any

import pytest

from service.api import large_answers
from service.api.answers import JSON, PIECE_BYTES
from service.api.large_answers import LargeAnswers
from service.errors import Unavailable
from tests.support.api.openapi import described_errors

pytestmark = pytest.mark.anyio

LARGE = b"x" * (PIECE_BYTES + 1)


class Client:
    """Takes what is sent while it reads."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.events: list[Any] = []

    async def __call__(self, event: Any) -> None:
        await self.reads.wait()
        self.events.append(event)

    @property
    def body(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.events)


async def test_an_answer_too_many_is_refused_until_another_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(large_answers, "HELD_BYTES_MAX", 2 * len(LARGE))
    answers, clients = LargeAnswers(), [Client(), Client()]
    tasks = [asyncio.create_task(answers.send(client, LARGE, [JSON])) for client in clients]
    await asyncio.sleep(0)
    reader = Client()
    reader.reads.set()
    with pytest.raises(Unavailable) as refusal:
        await answers.send(reader, LARGE, [JSON])
    examples, _ = described_errors("/events", "get", Unavailable.status)
    assert {"detail": refusal.value.detail} in examples
    await answers.send(reader, b"small", [JSON])
    assert reader.body == b"small"
    tasks[0].cancel()
    clients[1].reads.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert clients[1].body == LARGE
    await answers.send(reader, LARGE * 3, [JSON])
    assert reader.body == b"small" + LARGE * 3
