"""READ_TOKEN: a protected route is only for requests that carry it."""

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Unauthorized

SCHEME = b"bearer"


class RequireToken:
    """Passes a request on to `app` if it carries the token (RFC 6750). Raises Unauthorized."""

    def __init__(self, app: ASGIApp, token: bytes) -> None:
        self.app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(values) != 1 or not self._allows(values[0]):
            raise Unauthorized
        await self.app(scope, receive, send)

    def _allows(self, value: bytes) -> bool:
        scheme, _, token = value.partition(b" ")
        return scheme.lower() == SCHEME and hmac.compare_digest(token.strip(), self._token)
