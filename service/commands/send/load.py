"""The run: a feeder that keeps the schedule, and as many workers as there are connections."""

import asyncio
import os
from collections.abc import AsyncIterator
from time import perf_counter

import aiohttp
import msgspec
import yarl

from service.commands.send.deliveries import Delivery
from service.commands.send.tally import Tally

# What is in flight when the run is stopped may still be answered for this long.
GRACE_SECONDS = 3.0


class Refusal(msgspec.Struct):
    """The service's error shape."""

    detail: str = ""


decode_refusal = msgspec.json.Decoder(Refusal).decode

ERROR_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorDNSError, "no such host"),
    (aiohttp.ServerDisconnectedError, "closed without an answer"),
    (aiohttp.ClientPayloadError, "answer cut short"),
    (aiohttp.ClientResponseError, "not an HTTP answer"),
)


class Load:
    """Sends every delivery once, over `connections` connections, and counts what comes back.

    Latency runs from the time a delivery was due; without a schedule, from its start. When `run`
    ends, `failure` says why it could not go on, if so.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: yarl.URL,
        deliveries: AsyncIterator[Delivery],
        connections: int,
    ) -> None:
        self.tally = Tally()
        self.failure: str | None = None
        self._session = session
        self._url = url
        self._deliveries = deliveries
        self._connections = connections
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue(connections)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def run(self) -> None:
        """Return when all is sent, or soon after `stop`."""
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._feed())]
            self._tasks += [group.create_task(self._work()) for _ in range(self._connections)]

    def stop(self) -> None:
        """Begin nothing new and give what is in flight a moment; called again, give up on it."""
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
        headers = {"X-Signature": delivery.signature}
        async with self._session.post(
            self._url, data=delivery.body, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    def _failed(self, error: Exception) -> None:
        self.tally.failed(kind_of(error))
        # Nothing was ever reached: a million more attempts would say the same.
        if isinstance(error, aiohttp.ClientConnectorError) and not self.tally.latencies.count:
            self.failure = unreachable(self._url, error)
            if not self._stopping:
                self.stop()


def detail_of(answer: bytes) -> str:
    """The sentence of the service's error shape; of any other answer, its beginning."""
    try:
        return decode_refusal(answer).detail
    except (msgspec.DecodeError, RecursionError):
        return answer[:1000].decode(errors="replace").strip()


def kind_of(error: Exception) -> str:
    """Name the error, by one of few names, whatever addresses and numbers its text holds."""
    for kind, name in ERROR_KINDS:
        if isinstance(error, kind):
            return name
    number = error.errno if isinstance(error, OSError) else None
    # Numbers below 0 are getaddrinfo's own.
    return os.strerror(number).lower() if number and number > 0 else type(error).__name__


def unreachable(url: yarl.URL, error: aiohttp.ClientConnectorError) -> str:
    """Say that there is no service there, and what to do about it."""
    origin = url.origin()
    if isinstance(error.os_error, ConnectionRefusedError):
        return f"nothing listens at {origin} - start it with `just run`"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"no secure connection to {origin}: {error.os_error}"
    return f"cannot connect to {origin}: {kind_of(error)}"
