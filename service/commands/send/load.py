"""The requests of a run: one task feeds deliveries, one task for each connection sends them."""

import asyncio
import os
from collections.abc import AsyncIterator
from time import perf_counter

import aiohttp
import msgspec
import yarl

from service.commands.send.deliveries import Delivery
from service.commands.send.tally import Tally
from service.commands.send.targets import Sign
from service.errors import Refusal

GRACE_SECONDS = 3.0
"""After a stop, requests in flight may still be answered for this long."""


decode_refusal = msgspec.json.Decoder(Refusal).decode

ERROR_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorDNSError, "no such host"),
    (aiohttp.ServerDisconnectedError, "closed without an answer"),
    (aiohttp.ClientPayloadError, "answer cut short"),
    (aiohttp.ClientResponseError, "not an HTTP answer"),
)


class Load:
    """Sends every delivery once, over `connections` connections, and counts the answers.

    Latency runs from the time a delivery was due; without a schedule, from its start. After `run`,
    `failure` is the reason why it could not go on, or None.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        deliveries: AsyncIterator[Delivery],
        sign: Sign,
        connections: int,
    ) -> None:
        self.tally = Tally()
        self.failure: str | None = None
        self._session = session
        self._url = yarl.URL(url)
        self._deliveries = deliveries
        self._sign = sign
        self._connections = connections
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue(connections)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def run(self) -> None:
        """Return when every delivery has ended, or soon after `stop`."""
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._feed())]
            self._tasks += [group.create_task(self._work()) for _ in range(self._connections)]

    def stop(self) -> None:
        """Send nothing more, and wait for answers in flight; called again, stop waiting."""
        if self._stopping:
            self._give_up()
            return
        self._stopping = True
        self._tasks[0].cancel()
        while not self._queue.empty():
            self._queue.get_nowait()
        for _ in range(self._connections):
            self._queue.put_nowait(None)
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _feed(self) -> None:
        try:
            async for delivery in self._deliveries:
                await self._queue.put(delivery)
        except OSError as error:
            self.failure = f"cannot read the messages: {error.strerror}"
        for _ in range(self._connections):
            await self._queue.put(None)

    async def _work(self) -> None:
        while (delivery := await self._queue.get()) is not None:
            self.tally.repeats += delivery.repeat
            await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        begun = perf_counter() if delivery.due_seconds is None else delivery.due_seconds
        try:
            status, answer = await self._post(delivery)
        except asyncio.CancelledError:
            self.tally.failed("no answer before the stop")
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._failed(error)
            return
        self.tally.answered(status, perf_counter() - begun)
        if status != 200 and status not in self.tally.details:
            self.tally.explained(status, detail_of(answer))

    async def _post(self, delivery: Delivery) -> tuple[int, bytes]:
        headers = self._sign(delivery)
        async with self._session.post(
            self._url, data=delivery.body, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    def _failed(self, error: Exception) -> None:
        self.tally.failed(kind_of(error))
        # No attempt has reached a service, so the next ones would fail in the same way.
        if isinstance(error, aiohttp.ClientConnectorError) and not self.tally.latencies.count:
            self.failure = unreachable(self._url, error)
            if not self._stopping:
                self.stop()


def detail_of(answer: bytes) -> str:
    """The sentence in the service's error shape; of any other answer, its beginning."""
    try:
        return decode_refusal(answer).detail
    except (msgspec.DecodeError, RecursionError):
        return answer[:1000].decode(errors="replace").strip()


def kind_of(error: Exception) -> str:
    """A short name for the error, without the addresses and numbers in its text."""
    for kind, name in ERROR_KINDS:
        if isinstance(error, kind):
            return name
    number = error.errno if isinstance(error, OSError) else None
    # Numbers below 0 are getaddrinfo's own.
    return os.strerror(number).lower() if number and number > 0 else type(error).__name__


def unreachable(url: yarl.URL, error: aiohttp.ClientConnectorError) -> str:
    """The sentence for a service that cannot be reached, with what to do about it."""
    origin = url.origin()
    if isinstance(error.os_error, ConnectionRefusedError):
        return f"nothing listens at {origin} - start it with `just run`"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"no secure connection to {origin}: {error.os_error}"
    return f"cannot connect to {origin}: {kind_of(error)}"
