"""Made-up messages, and repeats of them."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator

import pytest

from service.commands.send.command import main
from service.commands.send.deliveries import (
    RECENT_BYTES,
    RECENT_DELIVERIES,
    Delivery,
    Recent,
    repeated,
)
from service.commands.send.messages import SENDERS, made_up
from tests.commands.send.receiver import (
    Receiver,
)


class TestMessages:
    def test_are_sent_and_counted(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", receiver.url]) == 0
        output = capsys.readouterr()
        assert len(receiver.ids) == len(receiver.bodies) == 100
        assert receiver.paths == {"/webhook"}
        assert output.out.startswith("sent 100 messages in ")
        assert "      100  200 OK\n" in output.out
        assert re.search(
            r"since each was sent: p50 .* ms  p95 .* ms  p99 .* ms  max .* ms", output.out
        )
        assert output.err == ""

    def test_made_up_ones_are_what_the_contract_wants(self) -> None:
        messages = [json.loads(made_up()) for _ in range(2000)]
        assert len({message["message_id"] for message in messages}) == 2000
        for message in messages:
            assert uuid.UUID(message["message_id"]).version == 4
            assert re.fullmatch(r"\+[1-9]\d{1,14}", message["from"])
            assert re.fullmatch(r"\+[1-9]\d{1,14}", message["to"])
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["ts"])
        assert len(SENDERS) == 1000
        assert len({message["text"] for message in messages}) > 1000
        assert not all(message["text"].isascii() for message in messages)

    @pytest.mark.parametrize(
        ("suffix", "path"),
        [("", "/webhook"), ("/", "/webhook"), ("/webhook", "/webhook"), ("/a/b", "/a/b")],
    )
    def test_a_base_address_gets_the_path(self, receiver: Receiver, suffix: str, path: str) -> None:
        assert main(["--url", receiver.base + suffix, "--count", "1"]) == 0
        assert receiver.paths == {path}


class TestDuplicates:
    def test_are_repeats_byte_for_byte(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--url", receiver.url, "--count", "200", "--duplicates", "25"]) == 0
        assert len(receiver.bodies) == 200
        assert len(set(receiver.bodies)) == len(receiver.ids) == 150
        assert "sent 200 messages (50 of them repeats)" in capsys.readouterr().out

    @pytest.mark.parametrize("percent", [0, 0.5, 1, 10, 33.3, 50, 90, 99.5])
    def test_the_share_is_exact_at_every_count(self, percent: float) -> None:
        sent = take(repeated(numbers(), percent), 1000)
        seen: set[bytes] = set()
        for count, delivery in enumerate(sent, 1):
            assert delivery.repeat == (delivery.body in seen)
            seen.add(delivery.body)
            assert count - len(seen) == int(count * percent / 100)

    def test_what_is_remembered_is_bounded(self) -> None:
        recent = Recent()
        for number in range(RECENT_DELIVERIES + 10):
            recent.add(Delivery(b"%d" % number))
        assert {int(recent.repeat().body) < 10 for _ in range(5000)} == {False}
        assert len(recent._deliveries) == RECENT_DELIVERIES

    def test_what_is_remembered_is_bounded_in_bytes(self) -> None:
        recent = Recent()
        for letter in (b"a", b"b", b"c"):
            recent.add(Delivery(letter * (RECENT_BYTES // 2)))
        assert {recent.repeat().body[:1] for _ in range(100)} == {b"b", b"c"}
        recent.add(Delivery(b"d" * (RECENT_BYTES + 1)))
        assert {recent.repeat().body[:1] for _ in range(100)} == {b"d"}


async def numbers() -> AsyncIterator[Delivery]:
    for number in range(10_000):
        yield Delivery(b"%d" % number)


def take(deliveries: AsyncIterator[Delivery], count: int) -> list[Delivery]:
    async def collect() -> list[Delivery]:
        return [await anext(deliveries) for _ in range(count)]

    return asyncio.run(collect())
