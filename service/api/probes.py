"""`/health/live`, `/health/ready` and `/metrics`."""

import asyncio
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.types import Receive, Scope, Send

from service.api.answers import OK, READY, NotReady, encode, send_body, send_json
from service.store.interface import Store, StoreError
from service.telemetry.metrics import Metrics

CHECK_SECONDS = 1.0
"""How long the answer of one check holds: a check writes to the disk, and anyone may ask."""

NOT_CONFIGURED = "no webhook secret is configured (WEBHOOK_SECRET or SOURCE_<NAME>_SECRET)"
OPENMETRICS = "application/openmetrics-text"


class Live:
    """The process answers. The database is not checked, because a restart does not repair it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await OK.send(send)


class Ready:
    """Webhooks can be verified, the database reads and writes, and no stop has begun."""

    def __init__(self, store: Store, has_secret: bool) -> None:
        self._store = store
        self._has_secret = has_secret
        self._checking = asyncio.Lock()
        self._checked_at = float("-inf")
        self._trouble: str | None = None
        self.is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trouble = await self._find_trouble()
        if trouble is None:
            await send_json(send, 200, READY)
        else:
            await send_json(send, 503, encode(NotReady("not ready", trouble)))

    async def _find_trouble(self) -> str | None:
        if self.is_stopping:
            return "the service is stopping"
        if not self._has_secret:
            return NOT_CONFIGURED
        async with self._checking:
            if time.monotonic() - self._checked_at >= CHECK_SECONDS:
                self._trouble = await self._check_store()
                self._checked_at = time.monotonic()
        return self._trouble

    async def _check_store(self) -> str | None:
        try:
            await self._store.check()
        except StoreError as error:
            return f"the database does not read and write: {error}"
        return None


class Exposition:
    """The metrics as Prometheus text or OpenMetrics, as the Accept header asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = metrics.registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accept = ",".join(
            value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"
        )
        render, content_type = _choose_format(accept)
        # In a thread, because it takes milliseconds and webhooks must not wait.
        body = await asyncio.to_thread(render, self._registry)
        await send_body(send, 200, body, [(b"content-type", content_type.encode())])


def _choose_format(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """OpenMetrics if the header lists it, as Prometheus does, else the plain text format.

    The library's own function raises on a version or an escaping that it does not know.
    """
    listed = [media_range.partition(";")[0].strip().lower() for media_range in accept.split(",")]
    if OPENMETRICS in listed:
        return openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
    return exposition.generate_latest, exposition.CONTENT_TYPE_PLAIN_0_0_4
