"""Today's rules, for a body that was kept with a problem."""

import re
from collections.abc import Mapping

import msgspec

from service.api.webhooks.kept import refuse_encoding
from service.errors import RequestError
from service.messages.message import Message, decode_message
from service.source_settings import MESSAGES_SOURCE
from service.sources.messaging import extract
from service.sources.request import Request
from service.sources.source import Source
from service.store.interface import EventRow

_decode_headers = msgspec.json.Decoder(dict[str, str]).decode
_place = re.compile(r"\Amessage [\d,]+ of [\d,]+: | \(and [\d,]+ more\)\Z")
"""What tells one event from another, and not one rule."""


class StillRefused(Exception):
    """Today's rules refuse the body, too. The text is the rule, and nothing of the body."""


class Rules:
    """Finds the messages in what the sources of this environment sent."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def read(self, event: EventRow) -> tuple[Message, ...]:
        """The messages in an event, which has no problem by today's rules.

        Raises StillRefused.
        """
        kept = _decode_headers(event.headers)
        headers = [
            # An import takes any string for a header; the network brings only latin-1.
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in kept.items()
        ]
        try:
            refuse_encoding(headers)
            if event.source == MESSAGES_SOURCE:
                return (decode_message(event.body),)
        except RequestError as error:
            raise StillRefused(str(error)) from None
        return self._read_of_source(event, Request(headers, url=""))

    def _read_of_source(self, event: EventRow, request: Request) -> tuple[Message, ...]:
        source = self._sources.get(event.source)
        if source is None:
            raise StillRefused("the environment has no such source: its scheme is not known")
        event_id, _, problem = source.identify(request, event.body)
        if problem is None and event_id != event.event_id:
            problem = "the scheme finds another id today, but an event keeps the id that it has"
        if problem is None:
            messages, problem = extract(source, event.body, event.received_at)
            if problem is None:
                return messages
        raise StillRefused(_place.sub("", problem))
