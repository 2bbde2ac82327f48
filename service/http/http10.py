"""Answers of unknown length for HTTP/1.0, which knows no chunks (RFC 9112, 6.1)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.http.transport import JoiningTransport


def without_chunks(
    cycle: RequestResponseCycle, transport: JoiningTransport, app: ASGIApp
) -> ASGIApp:
    """`app`, whose answers of unknown length end with the connection.

    An answer that fails ends with a reset.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_length_known = True

        async def send_unchunked(message: Message) -> None:
            nonlocal is_length_known
            if message["type"] == "http.response.start":
                is_length_known = any(name == b"content-length" for name, _ in message["headers"])
                if not is_length_known:
                    cycle.chunked_encoding = False
            elif not is_length_known:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, send_unchunked)
        except BaseException:
            if cycle.response_started and not cycle.response_complete:
                transport.reset()
            raise

    return serve
