"""What is sent, and how it is signed: messages to POST /webhook, or the events of a source."""

import time
import uuid
from collections.abc import Callable, Mapping
from string import Template
from typing import Protocol

from service.commands.send.deliveries import Delivery
from service.commands.send.messages import made_up
from service.sources.scheme import Scheme
from service.sources.signature import sign as sign_message
from service.sources.signing import sign as sign_event

Sign = Callable[[Delivery], Mapping[str, str]]
"""All headers of a request, but those that every request has. Called when it is sent."""


class Target(Protocol):
    """Makes deliveries, and signs them."""

    noun: str

    def make(self, body: bytes | None = None) -> Delivery:
        """A new delivery, of this body or of one that is made up."""
        ...

    def sign(self, delivery: Delivery) -> Mapping[str, str]:
        """See `Sign`."""
        ...


class Messages:
    """What `POST /webhook` takes."""

    noun = "message"

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, body: bytes | None = None) -> Delivery:
        return Delivery(made_up() if body is None else body)

    def sign(self, delivery: Delivery) -> Mapping[str, str]:
        signature = sign_message(self._secret, delivery.body)
        return {"Content-Type": "application/json", "X-Signature": signature}


class Events:
    """What `POST /webhook/{source}` takes: signed by a scheme, as its provider does."""

    noun = "event"

    def __init__(
        self, scheme: Scheme, secret: bytes, url: str, event_id: str | None, event_type: str | None
    ) -> None:
        """`url` is the public one; without `event_id` each delivery has an id of its own."""
        self._scheme = scheme
        self._secret = secret
        self._url = url
        self._id = event_id
        self._type = scheme.example.type if event_type is None else event_type
        self._body = Template(scheme.example.body)
        self._last_number = 0

    def make(self, body: bytes | None = None) -> Delivery:
        event_id = self._id or str(uuid.uuid4())
        return Delivery(self._render(event_id) if body is None else body, event_id)

    def sign(self, delivery: Delivery) -> Mapping[str, str]:
        headers = sign_event(
            self._scheme,
            self._secret,
            delivery.body,
            time.time(),
            delivery.event_id,
            self._url,
            self._type,
        )
        return {"Content-Type": self._scheme.example.content_type, **headers}

    def _render(self, event_id: str) -> bytes:
        """The example's body, with an id, a type and a time of its own."""
        now = time.time_ns()
        self._last_number = max(self._last_number + 1, now // 1_000)
        return self._body.safe_substitute(
            id=event_id,
            number=self._id or self._last_number,
            type=self._type,
            now=now // 1_000_000_000,
            now_ms=now // 1_000_000,
        ).encode()
