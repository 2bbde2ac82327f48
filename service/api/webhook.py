"""POST /webhook: store a message, and answer 200 when it is on stable storage."""

from collections.abc import Sequence

from msgspec import UNSET
from starlette.types import Receive, Scope, Send

from service.api.answers import OK, Headers
from service.api.bodies import BodyReader
from service.api.tally import Tally
from service.errors import InvalidMessage, RequestError, Unavailable, UnsupportedEncoding
from service.ingest import GroupCommit
from service.messages.message import Message, decode_message, find_message_id
from service.sources import signature
from service.telemetry.logs import RequestLine


class Webhook:
    """Verify before parsing, parse before queueing, commit before answering."""

    def __init__(
        self, secrets: Sequence[bytes], bodies: BodyReader, ingest: GroupCommit, tally: Tally
    ) -> None:
        self._secrets = secrets
        self._bodies = bodies
        self._ingest = ingest
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: RequestLine = scope["log_line"]
        body = b""
        try:
            if not self._secrets:
                raise Unavailable("no webhook secret is configured (WEBHOOK_SECRET)")
            signatures = signature.find(scope["headers"])
            body = await self._bodies.read(scope, receive)
            self._tally.receive(signature.verify(self._secrets, body, signatures))
            outcome = await self._ingest.submit(_decode(scope["headers"], body, line))
        except RequestError as error:
            self._tally.refuse(error, line, body)
            raise
        self._tally.accept(outcome, line)
        await OK.send(send)


def _decode(headers: Headers, body: bytes, line: RequestLine) -> Message:
    _check_encoding(headers)
    try:
        message = decode_message(body)
    except InvalidMessage:
        line.message_id = find_message_id(body) or UNSET
        raise
    line.message_id = message.message_id
    return message


def _check_encoding(headers: Headers) -> None:
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedEncoding
