"""A request as sources see it: before its body is parsed."""

from collections.abc import Sequence
from typing import NamedTuple


class Request(NamedTuple):
    """What a provider signed beside the body."""

    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case. Taken before the body is read: a trailer must not become a header."""

    url: str
    """The public URL with its query, as the provider called it."""

    query: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """The value of each header of this name, which is in lower case."""
        return [value for each, value in self.headers if each == name]
