"""Messages as a large user has them, the same ones in every run.

100,000 senders and 1,000 recipients by Zipf's law. Texts have 5 to 40 words out of 50,000 in
several scripts. A few words are frequent, most are rare.
"""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

SENDERS = 100_000
RECIPIENTS = 1_000
WORDS = 50_000
WORDS_MIN, WORDS_MAX = 5, 40
CHUNK_MESSAGES = 10_000

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, tzinfo=UTC)
"""Later than the last of ten million messages from BEGIN."""

APART = timedelta(seconds=3)
JITTER_MICROSECONDS = 60_000_000
"""Messages come about in the order of their `ts`, up to a minute late."""

SCRIPTS = (
    "aeioubcdfghklmnprstvwyz" * 4,
    "абвгдежзиклмнопрстуфхцчшыэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "अआइईउकखगघचजटडतथदनपबमयरलवशसह",
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年",
    "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
)


class Message(NamedTuple):
    """The fields of a webhook."""

    message_id: str
    sender: str
    recipient: str
    ts: datetime
    text: str

    def encode(self) -> bytes:
        """The body of a webhook, or a line for `import`."""
        fields = {
            "message_id": self.message_id,
            "from": self.sender,
            "to": self.recipient,
            "ts": format_instant(self.ts),
            "text": self.text,
        }
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def messages(count: int, seed: int = 1, begin: datetime = BEGIN) -> Iterator[Message]:
    """`count` messages from the instant `begin` on; another `seed` gives other messages.

    Fewer are the beginning of more, where they fill whole chunks.
    """
    chosen = random.Random(seed)
    words, word_weights = vocabulary(), zipf(WORDS)
    senders, sender_weights = [sender(rank) for rank in range(SENDERS)], zipf(SENDERS)
    recipients, recipient_weights = (
        [recipient(rank) for rank in range(RECIPIENTS)],
        zipf(RECIPIENTS),
    )
    for done in range(0, count, CHUNK_MESSAGES):
        size = min(CHUNK_MESSAGES, count - done)
        lengths = [chosen.randint(WORDS_MIN, WORDS_MAX) for _ in range(size)]
        from_ = chosen.choices(senders, cum_weights=sender_weights, k=size)
        to = chosen.choices(recipients, cum_weights=recipient_weights, k=size)
        spoken = iter(chosen.choices(words, cum_weights=word_weights, k=sum(lengths)))
        for index, length in enumerate(lengths):
            late = timedelta(microseconds=chosen.randrange(JITTER_MICROSECONDS))
            yield Message(
                random_id(chosen),
                from_[index],
                to[index],
                begin + (done + index) * APART + late,
                " ".join([next(spoken) for _ in range(length)]).capitalize() + ".",
            )


def sender(rank: int) -> str:
    """The number of the sender of a rank: 0 sends most."""
    return f"+1415{rank:07d}"


def recipient(rank: int) -> str:
    """The number of the recipient of a rank: 0 is written to most."""
    return f"+1800{rank:07d}"


def vocabulary() -> list[str]:
    """The words by rank: 0 is the most frequent."""
    chosen = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < WORDS:
        letters = SCRIPTS[int(chosen.random() ** 2 * len(SCRIPTS))]
        found["".join(chosen.choices(letters, k=chosen.randint(2, 10)))] = None
    return list(found)


def random_id(chosen: random.Random) -> str:
    """A UUID of version 4."""
    return str(uuid.UUID(int=chosen.getrandbits(128), version=4))


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, with microseconds."""
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def zipf(count: int) -> list[float]:
    """Cumulated weights of so many ranks."""
    return list(accumulate(1 / (rank + 1) for rank in range(count)))
