"""Senders that never stop. Each has its own connection, and retries and repeats as senders do."""

import http.client
import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple, Self

from tests.faults.traffic import connect, messages, post
from tests.support.strategies import Sent

REPEATED = 0.1
"""The share of acknowledged messages that are sent again."""

GIVEN_UP = 0.3
"""The share of refused messages that are not sent again."""

PAUSE_SECONDS = 0.02
"""The pause after a refusal: shorter than Retry-After, since impatient senders are harder."""

MESSAGES_AT_ONCE = 50


class Delivery(NamedTuple):
    """One webhook, and its answer."""

    sent: Sent
    status: int | None
    """None if the connection broke."""
    retry_after: str | None
    began_at: float
    ended_at: float
    """By time.monotonic()."""

    @property
    def seconds(self) -> float:
        return self.ended_at - self.began_at


class Load:
    """Delivers inside the `with`. After it every delivery has its answer."""

    def __init__(self, ports: Sequence[int], senders: int, name: str, pause_seconds: float = 0):
        """`senders` connections to each port; ids begin with `name`."""
        self.deliveries: list[Delivery] = []
        self._port = ports[0]
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(port, f"{name}-{place}-{number}"))
            for place, port in enumerate(ports)
            for number in range(senders)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> dict[str, Sent]:
        """The messages that were sent, by id."""
        return {each.sent.message_id: each.sent for each in self.deliveries}

    @property
    def acknowledged(self) -> set[str]:
        """The ids that got 200."""
        return {each.sent.message_id for each in self.deliveries if each.status == 200}

    @property
    def refused(self) -> list[Delivery]:
        """The deliveries that got another answer, or none."""
        return [each for each in list(self.deliveries) if each.status != 200]

    @property
    def slowest_seconds(self) -> float:
        """The longest wait for an answer."""
        return max((each.seconds for each in list(self.deliveries)), default=0)

    def wait_for(self, count: int, seconds: float = 30) -> None:
        """Return after so many more deliveries with 200; fails after `seconds`."""
        begun = len(self.deliveries)
        deadline = time.monotonic() + seconds
        while sum(each.status == 200 for each in self.deliveries[begun:]) < count:
            assert time.monotonic() < deadline, self.deliveries[-3:]
            time.sleep(0.005)

    def accepted_after(self, moment: float) -> float:
        """When the first 200 after a moment arrived; infinity if none has."""
        return min(
            (
                each.ended_at
                for each in list(self.deliveries)
                if each.status == 200 and each.ended_at > moment
            ),
            default=float("inf"),
        )

    def repeat(self, sent: Sent) -> None:
        """Deliver a message on a connection of its own, whatever the answer."""
        with closing(connect(self._port)) as connection:
            self._post(connection, sent)

    def _post(self, connection: http.client.HTTPConnection, sent: Sent) -> int | None:
        began_at = time.monotonic()
        exchange = post(connection, sent)
        self.deliveries.append(
            Delivery(sent, exchange.status, exchange.retry_after, began_at, time.monotonic())
        )
        return exchange.status

    def _send(self, port: int, name: str) -> None:
        chance = random.Random(name)
        with closing(connect(port)) as connection:
            batch = 0
            while not self._stopping.is_set():
                for sent in messages(f"{name}-{batch}", MESSAGES_AT_ONCE, chance):
                    status = None
                    while not self._stopping.is_set():
                        status = self._post(connection, sent)
                        if status == 200:
                            time.sleep(self._pause_seconds)
                        else:
                            time.sleep(PAUSE_SECONDS)
                        if chance.random() > (REPEATED if status == 200 else 1 - GIVEN_UP):
                            break
                batch += 1
