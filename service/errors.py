"""Every error of the service, and the status that answers it.

    StartError                  the service does not start
    ├── SettingsError           an environment variable is wrong (exit code 2)
    └── DatabaseError           the database cannot be used (exit code 1)

    RequestError                one request is refused
    ├── BodyTooLarge        413
    ├── InvalidSignature    401
    ├── UnsupportedEncoding 415
    ├── InvalidMessage      422
    ├── InvalidParameter    422
    ├── NoSuchMessage       404
    ├── NoSuchEvent         404
    ├── Unauthorized        401
    ├── Unavailable         503  nothing was stored: a retry is wanted
    ├── TooSlow             503  the search must be narrowed
    ├── BadRequest          400  not HTTP/1.1, or the body's end is in doubt
    ├── TooLate             408  a head or a body that does not arrive in time
    ├── HeadTooLarge        431
    └── ClientLeft          499  the client closed the connection

The text of a RequestError is the `detail` of the answer: one sentence that names the field, the
parameter or the limit. It never holds a secret, a signature or the text of a message.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

REFUSAL = "refusal"
"""The key in a request's scope for the RequestError with which the server refuses it."""


class Refusal(msgspec.Struct, gc=False, frozen=True):
    """The body of every error, in JSON. `send` reads it too, also from other servers."""

    detail: str = ""


class StartError(Exception):
    """The service does not start. The text is one line: the reason, and what to do."""

    exit_code: ClassVar[int] = 1


class SettingsError(StartError):
    """An environment variable is wrong. The text names it and what it takes."""

    exit_code = 2


class DatabaseError(StartError):
    """The database at DATABASE_URL cannot be opened, read, written or migrated."""


class RequestError(Exception):
    """One request is refused with `status`. The text is the answer's `detail`."""

    status: ClassVar[int]
    headers: ClassVar[Sequence[tuple[bytes, bytes]]] = ()
    webhook_result: ClassVar[str | None] = None
    """The label of `webhook_requests_total`; None if a webhook never gets this error."""

    webhook_refusal: str | None = None
    """The label `reason` of `webhook_refusals_total`; None if the error is not counted there."""

    @property
    def detail(self) -> str:
        return str(self)

    @property
    def reason(self) -> str:
        """What the log says of a webhook that is counted there."""
        return self.detail


class BodyTooLarge(RequestError):
    status = 413
    webhook_result = "too_large"

    def __init__(self, body_bytes_max: int) -> None:
        super().__init__(f"the body must have at most {body_bytes_max} bytes (MAX_BODY_BYTES)")


class InvalidSignature(RequestError):
    """The answer does not say which failure it was. The log and a metric do."""

    status = 401
    webhook_result = "invalid_signature"

    def __init__(self, failure: str) -> None:
        super().__init__("invalid signature")
        self.webhook_refusal = self.failure = failure

    @property
    def reason(self) -> str:
        return self.failure


class UnsupportedEncoding(RequestError):
    status = 415
    headers = ((b"accept-encoding", b"identity"),)
    webhook_result = "validation_error"
    webhook_refusal = "content_encoding"

    def __init__(self) -> None:
        super().__init__("Content-Encoding must be identity: send the body without compression")


class InvalidMessage(RequestError):
    """`field` is the field whose rule the body breaks; `body` if it is no JSON object."""

    status = 422
    webhook_result = "validation_error"

    def __init__(self, detail: str, field: str = "body") -> None:
        super().__init__(detail)
        self.webhook_refusal = field


class InvalidParameter(RequestError):
    status = 422


class NoSuchMessage(RequestError):
    status = 404

    def __init__(self) -> None:
        super().__init__("there is no message with this message_id")


class NoSuchEvent(RequestError):
    status = 404

    def __init__(self) -> None:
        super().__init__("there is no event of this source with this id")


class NoSuchSource(RequestError):
    status = 404

    def __init__(self) -> None:
        super().__init__("there is no source with this name (SOURCE_<NAME>_SECRET)")


class Unauthorized(RequestError):
    status = 401
    headers = ((b"www-authenticate", b"Bearer"),)

    def __init__(self) -> None:
        super().__init__("Authorization: Bearer with the READ_TOKEN is required")


class Unavailable(RequestError):
    """Nothing was acknowledged, and nothing is half stored. A retry is safe and wanted."""

    status = 503
    headers = ((b"retry-after", b"1"),)
    webhook_result = "unavailable"


class TooSlow(RequestError):
    """A read was stopped at QUERY_TIMEOUT_SECONDS."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "the read took longer than QUERY_TIMEOUT_SECONDS: narrow it with more filters or a"
            " longer q, or leave out the count with total=false"
        )


class BadRequest(RequestError):
    """The connection is closed: it is not known where the next request begins."""

    status = 400


class TooLate(RequestError):
    status = 408


class HeadTooLarge(RequestError):
    status = 431


class ClientLeft(RequestError):
    """The client closed the connection before its request was whole (nginx's status 499)."""

    status = 499

    def __init__(self) -> None:
        super().__init__("the client closed the connection")
