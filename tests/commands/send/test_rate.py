"""When each message of `--rate` is due."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.commands.send import deliveries as deliveries_module
from service.commands.send.command import main
from service.commands.send.deliveries import (
    Delivery,
    paced,
)
from tests.commands.send.receiver import (
    Receiver,
)


class FakeTime:
    """A clock that moves only during a sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        # Timers sometimes fire too early.
        self.now += seconds if seconds < 0.01 else seconds * 0.9


class TestRate:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
        clock = FakeTime()
        monkeypatch.setattr(deliveries_module, "time", clock)
        monkeypatch.setattr(deliveries_module, "asyncio", clock)
        return clock

    def test_sends_the_count(self, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--url", receiver.url, "--count", "50", "--rate", "1000"]) == 0
        assert len(receiver.ids) == 50
        output = capsys.readouterr().out
        assert "(1,000 asked for)" in output
        assert "latency since each was due: " in output

    def test_each_has_its_time(self, clock: FakeTime) -> None:
        async def times() -> None:
            number = 0
            async for delivery in paced(endless_deliveries(), 4):
                assert delivery.due_seconds == pytest.approx(100 + number / 4)
                assert clock.now >= 100 + number / 4
                number += 1
                if number == 20:
                    return

        asyncio.run(times())

    def test_a_stall_of_the_service_moves_no_time(self, clock: FakeTime) -> None:
        async def times() -> list[float | None]:
            due = []
            async for delivery in paced(endless_deliveries(), 4):
                due.append(delivery.due_seconds)
                clock.now += 3.0  # all connections are busy
                if len(due) == 5:
                    break
            return due

        assert asyncio.run(times()) == [100, 100.25, 100.5, 100.75, 101]

    def test_a_stall_of_the_input_moves_the_times_after_it(self, clock: FakeTime) -> None:
        async def slow_pipe() -> AsyncIterator[Delivery]:
            for number in range(4):
                clock.now += 10.0 if number == 2 else 0.0
                yield Delivery(b"", "")

        async def times() -> list[float | None]:
            return [delivery.due_seconds async for delivery in paced(slow_pipe(), 4)]

        assert asyncio.run(times()) == pytest.approx([100, 100.25, 110.25, 110.5])


async def endless_deliveries() -> AsyncIterator[Delivery]:
    while True:
        yield Delivery(b"", "")
