"""POST /webhook: store a message, and answer 200 when it is on stable storage."""

from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from service.api.answers import OK, send_json
from service.api.bodies import BodyReader
from service.errors import InvalidSignature, RequestError, Unavailable
from service.ingest import GroupCommit
from service.messages.message import decode_message
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: RequestLine = scope["log_line"]
        try:
            outcome = await self._accept(scope, receive, line)
        except RequestError as error:
            self._count(error.webhook_result, line)
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
        claimed = signature.find(scope["headers"])
        body = await self._bodies.read(scope, receive)
        if not signature.is_trusted(self._secrets, body, claimed):
            raise InvalidSignature
        message = decode_message(body)
        line.message_id = message.message_id
        return await self._ingest.submit(message)

    def _count(self, result: str | None, line: RequestLine) -> None:
        if result is not None:
            line.result = result
            self._metrics.webhook_requests[result].inc()
