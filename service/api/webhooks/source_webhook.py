"""POST /webhook/{source}: store what a provider sends, byte for byte."""

import time
from typing import cast

from starlette.types import Receive, Scope, Send

from service.api.answers import FixedAnswer, send_body
from service.api.caller import CallerReader
from service.api.webhooks.bodies import BodyReader
from service.api.webhooks.kept import keep, read_content_type, refuse_encoding
from service.api.webhooks.public_url import read_public_url
from service.api.webhooks.tally import Tally
from service.errors import RequestError, UnsupportedEncoding
from service.ingest import GroupCommit
from service.messages.event import Event
from service.sources.handshakes import Answer, answer_get, answer_post
from service.sources.messaging import extract
from service.sources.request import Request
from service.sources.source import Source
from service.telemetry.logs import RequestLine


class SourceWebhook:
    """The endpoint of one source. It verifies first; after that no body is invalid."""

    def __init__(
        self,
        source: Source,
        bodies: BodyReader,
        ingest: GroupCommit,
        tally: Tally,
        callers: CallerReader,
    ) -> None:
        self._source = source
        self._bodies = bodies
        self._ingest = ingest
        self._tally = tally
        self._callers = callers
        self._answer = FixedAnswer(200, *source.answer)
        signed = [part for each in source.scheme.signatures for part in each.signed_parts]
        self._signs_url = any(part.kind == "url" for part in signed)
        self.methods = ["POST"] if answer_get(source, b"") is None else ["GET", "POST"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: RequestLine = scope["log_line"]
        line.source = self._source.name
        if scope["method"] != "POST":
            # The route has other methods only where the source has a handshake.
            answer = answer_get(self._source, scope["query_string"])
            await _send(send, cast("Answer", answer))
            return
        request = Request(
            headers=tuple(scope["headers"]),
            url=self._read_url(scope) if self._signs_url else "",
            query=scope["query_string"],
        )
        body = b""
        try:
            body = await self._bodies.read(scope, receive)
            handshake = await self._accept(request, body, line)
        except RequestError as error:
            self._tally.refuse(error, line, body)
            raise
        if handshake is None:
            await self._answer.send(send)
        else:
            await _send(send, handshake)

    def _read_url(self, scope: Scope) -> str:
        return read_public_url(scope, self._source.url, self._callers)

    async def _accept(self, request: Request, body: bytes, line: RequestLine) -> Answer | None:
        """Store the event; of a handshake give the answer instead."""
        now = time.time()
        secret = self._source.verify(request, body, now)
        handshake = answer_post(self._source, body, secret)
        self._tally.receive(secret, now)
        if handshake is not None:
            return handshake
        try:
            refuse_encoding(request.headers)
        except UnsupportedEncoding as refusal:
            event = keep(self._source.name, request.headers, body, now, refusal)
            line.event_id = event.event_id
            await self._ingest.submit_event(event)
            raise
        event = self._read_event(request, body, now)
        line.event_id = event.event_id
        self._tally.accept(await self._ingest.submit_event(event), line)
        return None

    def _read_event(self, request: Request, body: bytes, now: float) -> Event:
        received_at = int(now * 1_000_000)
        identity = self._source.identify(request, body)
        messages, broken_rule = extract(self._source, body, received_at)
        problems = [each for each in (identity.problem, broken_rule) if each is not None]
        return Event(
            source=self._source.name,
            event_id=identity.event_id,
            type=identity.type,
            received_at=received_at,
            headers=self._source.kept_headers(request),
            content_type=read_content_type(request.headers),
            body=body,
            problem="; ".join(problems) or None,
            messages=messages,
        )


async def _send(send: Send, answer: Answer) -> None:
    if answer.status == 204:  # RFC 9110, 8.6: without a Content-Length
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        return
    await send_body(send, answer.status, answer.body, [(b"content-type", answer.content_type)])
