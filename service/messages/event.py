"""An event: a request as it came, with its source, id and type."""

import msgspec

from service.messages.message import Message

NAME_CHARACTERS_MAX = 255
"""Of an id, a source and a type: they are in indexes, whose entries are limited."""


class Event(msgspec.Struct, gc=False, frozen=True):
    """A verified request, as the store takes it. (`source`, `event_id`) names it.

    Raises ValueError if a string holds U+0000 or a lone surrogate: no database takes them, and the
    whole batch would fail. `message.clean` replaces them.
    """

    source: str
    event_id: str
    """1 to `NAME_CHARACTERS_MAX` characters."""
    type: str | None
    received_at: int
    """Microseconds since 1970."""
    headers: str
    """A JSON object by lower-case name; repeated headers joined by ", "; no signature or token."""
    content_type: str | None
    body: bytes
    problem: str | None
    """Why a message could not be read from it; None if all is well."""
    messages: tuple[Message, ...] = ()
    """The messages that it brings: stored in its transaction, if the event itself is new."""
    message_ids: tuple[str, ...] = ()
    """The ids of messages that it brought and that are stored by themselves, as by an import."""

    def __post_init__(self) -> None:
        strings = f"{self.source}{self.event_id}{self.type}{self.headers}{self.content_type}"
        if b"\0" in f"{strings}{self.problem}".encode():  # a lone surrogate is a ValueError here
            raise ValueError("an event holds U+0000")

    def list_message_ids(self) -> list[str]:
        """The ids of all messages that it brings or brought."""
        return [*(message.message_id for message in self.messages), *self.message_ids]
