"""POST /webhook: store a message, and answer 200 when it is on stable storage."""

import time
from collections.abc import Sequence
from functools import partial

from msgspec import UNSET
from starlette.types import Receive, Scope, Send

from service.api.answers import OK, Headers, send_json
from service.api.bodies import BodyReader
from service.errors import InvalidMessage, RequestError, Unavailable, UnsupportedEncoding
from service.ingest import GroupCommit
from service.messages.message import decode_message, find_message_id
from service.sources import signature
from service.store.interface import Outcome
from service.telemetry.logs import RequestLine
from service.telemetry.metrics import Metrics


class Webhook:
    """Verify before parsing, parse before queueing, commit before answering."""

    def __init__(
        self, secrets: Sequence[bytes], body_bytes_max: int, ingest: GroupCommit, metrics: Metrics
    ) -> None:
        self._secrets = secrets
        self._bodies = BodyReader(body_bytes_max)
        self._ingest = ingest
        self._metrics = metrics
        # A scrape reads these two: to set a gauge with each webhook costs more.
        self._received_at = 0.0
        self._used_at = [0.0 for _ in metrics.webhook_secret_last_used]
        metrics.webhook_last_received.set_function(lambda: self._received_at)
        for index, gauge in enumerate(metrics.webhook_secret_last_used):
            gauge.set_function(partial(self._used_at.__getitem__, index))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: RequestLine = scope["log_line"]
        try:
            outcome = await self._accept(scope, receive, line)
        except RequestError as error:
            self._count(error.webhook_result, line)
            if error.webhook_refusal is not None:
                self._metrics.webhook_refusals[error.webhook_refusal].inc()
                line.reason = error.reason
            raise
        is_new = outcome is Outcome.CREATED
        line.dup = not is_new
        if outcome is Outcome.CONFLICT:
            line.conflict = True
            self._metrics.webhook_conflicts.inc()
        self._count("created" if is_new else "duplicate", line)
        await send_json(send, 200, OK)

    async def _accept(self, scope: Scope, receive: Receive, line: RequestLine) -> Outcome:
        if not self._secrets:
            raise Unavailable("no webhook secret is configured (WEBHOOK_SECRET)")
        headers = scope["headers"]
        signatures = signature.find(headers)
        body = await self._bodies.read(scope, receive)
        secret = signature.verify(self._secrets, body, signatures)
        self._received_at = self._used_at[secret] = time.time()
        _check_encoding(headers)
        try:
            message = decode_message(body)
        except InvalidMessage:
            line.message_id = find_message_id(body) or UNSET
            raise
        line.message_id = message.message_id
        return await self._ingest.submit(message)

    def _count(self, result: str | None, line: RequestLine) -> None:
        if result is not None:
            line.result = result
            self._metrics.webhook_requests[result].inc()


def _check_encoding(headers: Headers) -> None:
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedEncoding
