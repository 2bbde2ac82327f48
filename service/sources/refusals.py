"""The last webhooks of a source that were refused. A restart forgets them."""

from collections import Counter, deque
from typing import NamedTuple

REFUSALS_KEPT = 10


class Refused(NamedTuple):
    """One refused webhook: neither its body nor its signature."""

    refused_at: int
    """Microseconds since 1970."""
    reason: str
    client: str
    body_bytes: int


class Refusals:
    """What one source refused: the last few, oldest first, and how many by reason."""

    def __init__(self) -> None:
        self.last: deque[Refused] = deque(maxlen=REFUSALS_KEPT)
        self.by_reason: Counter[str] = Counter()

    def add(self, refused: Refused) -> None:
        self.last.append(refused)
        self.by_reason[refused.reason] += 1
