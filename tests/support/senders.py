"""Senders like those of a webhook provider: each repeats a webhook until it gets a 200."""

import contextlib
import http.client
import threading
import time
from collections import Counter
from typing import Self

from tests.support.service import WAIT_SECONDS, encode, message, signed, wait_until

TIMEOUT_SECONDS = 10
RETRY_SECONDS = 0.05
SENDERS_COUNT = 8


class Senders:
    """Send webhooks to a port of this machine, from several threads, while the context lasts.

    A webhook without an answer, or with a 5xx, is sent again. At the end every webhook that was
    begun has its 200.
    """

    def __init__(self, port: int, count: int = SENDERS_COUNT) -> None:
        self.acknowledged: list[str] = []
        """The ids with a 200, in the order of the answers."""
        self.answers: Counter[int | str] = Counter()
        """By status, or by the name of the error if there was no answer."""
        self.seconds_max = 0.0
        """The duration of the longest attempt."""
        self._port = port
        self._stopping = threading.Event()
        self._gives_up = False
        self._threads = [
            threading.Thread(target=self._send_all, args=(number,), daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._gives_up = error is not None
        self._stopping.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive(), self.answers

    def wait_for(self, count: int) -> None:
        """Return when `count` more webhooks have their 200."""
        wanted = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= wanted)

    def _send_all(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            sent = 0
            while not self._stopping.is_set():
                sent += 1
                self._send(connection, f"{number}-{sent}")

    def _send(self, connection: http.client.HTTPConnection, message_id: str) -> None:
        body = encode(message(message_id=message_id))
        while not self._gives_up:
            begun = time.monotonic()
            try:
                connection.request("POST", "/webhook", body, signed(body))
                response = connection.getresponse()
                response.read()
                answer: int | str = response.status
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                answer = type(error).__name__
            self.seconds_max = max(self.seconds_max, time.monotonic() - begun)
            self.answers[answer] += 1
            if answer == 200:
                self.acknowledged.append(message_id)
                return
            assert not (isinstance(answer, int) and answer < 500), answer
            time.sleep(RETRY_SECONDS)
