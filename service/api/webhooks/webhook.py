"""POST /webhook: store a message, and answer 200 when it is on stable storage."""

import time
from collections.abc import Sequence

from msgspec import UNSET
from starlette.types import Receive, Scope, Send

from service.api.answers import OK, Headers
from service.api.webhooks.bodies import BodyReader
from service.api.webhooks.kept import keep, refuse_encoding
from service.api.webhooks.tally import Tally
from service.errors import InvalidMessage, RequestError, Unavailable, UnsupportedEncoding
from service.ingest import GroupCommit
from service.messages.message import decode_message, find_message_id
from service.source_settings import MESSAGES_SOURCE
from service.sources import signature
from service.store.interface import Outcome
from service.telemetry.logs import RequestLine


class Webhook:
    """Verify before parsing, parse before queueing, commit before answering."""

    def __init__(
        self, secrets: Sequence[bytes], bodies: BodyReader, ingest: GroupCommit, tally: Tally
    ) -> None:
        self._secrets = signature.prepare(secrets)
        self._bodies = bodies
        self._ingest = ingest
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: RequestLine = scope["log_line"]
        body = b""
        try:
            if not self._secrets:
                raise Unavailable("no webhook secret is configured (WEBHOOK_SECRET)")
            headers = tuple(scope["headers"])  # before a trailer can follow
            body = await self._bodies.read(scope, receive)
            outcome = await self._accept(headers, body, line)
        except RequestError as error:
            self._tally.refuse(error, line, body)
            raise
        self._tally.accept(outcome, line)
        await OK.send(send)

    async def _accept(self, headers: Headers, body: bytes, line: RequestLine) -> Outcome:
        secret = signature.verify(self._secrets, body, signature.find(headers))
        now = time.time()
        self._tally.receive(secret, now)
        try:
            refuse_encoding(headers)
            message = decode_message(body)
        except (UnsupportedEncoding, InvalidMessage) as refusal:
            event = keep(MESSAGES_SOURCE, headers, body, now, refusal)
            line.event_id = event.event_id
            if isinstance(refusal, InvalidMessage):
                line.message_id = find_message_id(body) or UNSET
            await self._ingest.submit_event(event)
            raise
        line.message_id = message.message_id
        return await self._ingest.submit(message)
