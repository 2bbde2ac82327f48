"""Messages as a large user has them, the same ones at every run.

100,000 senders, of whom a few send most (Zipf); 1,000 recipients, likewise; texts of 5 to 40 words
out of 50,000 in several scripts, of which a few are frequent and most are rare.
"""

import random
import uuid
from collections.abc import Iterator
from itertools import accumulate

from service.messages.instants import parse_instant
from service.messages.message import Message
from service.messages.text import fold

SENDERS = 100_000
RECIPIENTS = 1_000
WORDS = 50_000
WORDS_MIN, WORDS_MAX = 5, 40
CHUNK_MESSAGES = 10_000

BEGIN = parse_instant("2025-01-01T00:00:00Z")
END = parse_instant("2026-01-01T00:00:00Z")
"""Later than the last of ten million messages from BEGIN."""

MICROSECONDS_APART = 3_000_000
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


def messages(count: int, seed: int = 1, begin: int = BEGIN) -> Iterator[list[Message]]:
    """`count` messages in chunks, from the instant `begin` on.

    Another `seed` gives other messages of the same kind. Fewer are the beginning of more, where
    they fill whole chunks.
    """
    chosen = random.Random(seed)
    words, word_weights = vocabulary(), _zipf(WORDS)
    senders, sender_weights = [sender(number) for number in range(SENDERS)], _zipf(SENDERS)
    recipients, recipient_weights = [recipient(n) for n in range(RECIPIENTS)], _zipf(RECIPIENTS)
    for done in range(0, count, CHUNK_MESSAGES):
        size = min(CHUNK_MESSAGES, count - done)
        lengths = [chosen.randint(WORDS_MIN, WORDS_MAX) for _ in range(size)]
        from_ = chosen.choices(senders, cum_weights=sender_weights, k=size)
        to = chosen.choices(recipients, cum_weights=recipient_weights, k=size)
        spoken = iter(chosen.choices(words, cum_weights=word_weights, k=sum(lengths)))
        chunk = []
        for index, length in enumerate(lengths):
            text = " ".join([next(spoken) for _ in range(length)]).capitalize() + "."
            late = chosen.randrange(JITTER_MICROSECONDS)
            ts = begin + (done + index) * MICROSECONDS_APART + late
            message_id = str(uuid.UUID(int=chosen.getrandbits(128), version=4))
            chunk.append(_message(message_id, from_[index], to[index], ts, text))
        yield chunk


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


def _message(message_id: str, from_: str, to: str, ts: int, text: str) -> Message:
    folded = fold(text)
    return Message(message_id, from_, to, ts, text, folded if folded != text else None)


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / (rank + 1) for rank in range(count)))
