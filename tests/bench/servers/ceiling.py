"""The ceiling: the most that this server can answer, if a message costs nothing to store.

Raw ASGI on uvicorn as the service sets it: the signature, one msgspec decode, an answer. No
storage, router, log line or metrics. PORT and WEBHOOK_SECRET come from the environment.
"""

import hmac
import os
from typing import Any

import msgspec
import uvicorn


class Body(msgspec.Struct):
    """The fields of a webhook, without their rules."""

    message_id: str
    from_msisdn: str = msgspec.field(name="from")
    to_msisdn: str = msgspec.field(name="to")
    ts: str
    text: str | None = None


class Ceiling:
    """Verifies, decodes, answers."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._decode = msgspec.json.Decoder(Body).decode

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        signature = dict(scope["headers"]).get(b"x-signature", b"")
        digest = hmac.digest(self._secret, body, "sha256").hex().encode()
        status = 200 if hmac.compare_digest(digest, signature) else 401
        self._decode(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"15")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"status":"ok"}'})


def main() -> None:
    """Serve on 127.0.0.1 until a signal."""
    uvicorn.run(
        Ceiling(os.environ["WEBHOOK_SECRET"].encode()),
        port=int(os.environ["PORT"]),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
