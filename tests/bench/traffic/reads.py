"""Every read that the service offers, as requests on a database of a known size."""

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from tests.bench.traffic import dataset
from tests.bench.traffic.client import Client
from tests.bench.traffic.dataset import format_instant

VARIANTS = 100
"""Different requests of a kind; they are sent one after the other, again and again."""

HEAVY = 10
RARE_SENDER_RANK = 50_000
RARE_RECIPIENT_RANK = 900
RANGE_SHARE = 10
"""A range of time holds one in so many of all messages, wherever it begins."""

MATCHES_MIN, MATCHES_MAX = 100, 1_000
"""Messages that a search finds."""

WORDS = 50
"""Different ones that are searched."""

SEARCH_CHARACTERS_MIN = 3
WORDS_A_MESSAGE = (dataset.WORDS_MIN + dataset.WORDS_MAX) / 2


class Bar(NamedTuple):
    """What the p99 of a read may be, on an idle service and on any database."""

    ms: float
    counted_ns: float = 0
    """More, for each message that is counted."""

    def __str__(self) -> str:
        more = f" and {self.counted_ns:g} ns a message" if self.counted_ns else ""
        return f"{self.ms:g} ms{more}"


PAGE = Bar(10)
COUNT = Bar(10, counted_ns=100)
SEARCH = Bar(50, counted_ns=100)

BARS = {
    "first page": PAGE,
    "from, heavy sender": PAGE,
    "from, rare sender": PAGE,
    "to": PAGE,
    "since and until": PAGE,
    "from and to, both heavy": PAGE,
    "from and to, heavy and rare": PAGE,
    "from and to, rare and heavy": PAGE,
    "from, since and until": PAGE,
    "to, since and until": PAGE,
    "cursor at the very end": PAGE,
    "total of all": PAGE,
    "total by from": PAGE,
    "total by to": PAGE,
    "total by since and until": COUNT,
    "total by from and to": SEARCH,
    "total by from and range": COUNT,
    "total by to and range": COUNT,
    "q": SEARCH,
    "q and from": SEARCH,
    "q and since": SEARCH,
    "stats": PAGE,
}
"""Every kind of read of messages, and the bar that it is held to."""

EVENT_BARS = dict.fromkeys(
    (
        "events, first page",
        "events, latest first",
        "source",
        "source and type",
        "type alone, rare",
        "problem",
        "source, since",
        "until, latest first",
        "one event",
        "sources",
    ),
    PAGE,
)
"""Every kind of read of events."""

STATS = "stats"
STATS_BUSY_MS = 10
"""What the median of `/stats` may be beside ingest."""

SLOW = "q that may be slow"
"""No bar of its own: it must not harm the webhooks beside it."""


class Kind(NamedTuple):
    """A kind of read, as the paths that ask for it."""

    name: str
    paths: Sequence[str]


def find_kinds(client: Client, messages: int) -> list[Kind]:
    """All reads of a database of `dataset`; the service is asked for cursors and for words."""
    chosen = random.Random(messages)
    ranges = [_range(chosen, messages) for _ in range(VARIANTS)]
    rare = _rare_senders()
    fields = {
        "heavy": [dataset.sender(number % HEAVY) for number in range(VARIANTS)],
        "rare": [rare[number % len(rare)] for number in range(VARIANTS)],
        "to": [dataset.recipient(chosen.randrange(HEAVY)) for _ in range(VARIANTS)],
        "rare_to": [
            dataset.recipient(chosen.randrange(RARE_RECIPIENT_RANK, dataset.RECIPIENTS))
            for _ in range(VARIANTS)
        ],
        "cursor": _cursors_at_the_end(client, messages),
        "word": _words(client, messages),
    }
    return _kinds(messages, ranges, fields)


def slow_paths() -> list[str]:
    """Searches for one letter, for two that many texts or none have, and for a frequent word."""
    common = next(word for word in dataset.vocabulary() if len(word) >= SEARCH_CHARACTERS_MIN)
    return [f"/messages?{urlencode({'q': text})}" for text in ("e", "ab", "qx", common)]


def _kinds(
    messages: int, ranges: Sequence[tuple[str, str]], fields: dict[str, list[str]]
) -> list[Kind]:
    since, until = [begin for begin, _ in ranges], [end for _, end in ranges]
    heavy, rare, to, rare_to = (fields[name] for name in ("heavy", "rare", "to", "rare_to"))
    words = [fields["word"][number % len(fields["word"])] for number in range(VARIANTS)]
    middle = [format_instant(dataset.BEGIN + messages // 2 * dataset.APART)] * VARIANTS

    def page(**values: Iterable[str]) -> list[str]:
        return _paths({**values, "total": ["false"] * VARIANTS})

    paths = {
        "first page": ["/messages?total=false"],
        "from, heavy sender": page(from_=heavy),
        "from, rare sender": page(from_=rare),
        "to": page(to=to),
        "since and until": page(since=since, until=until),
        "from and to, both heavy": page(from_=heavy, to=to),
        "from and to, heavy and rare": page(from_=heavy, to=rare_to),
        "from and to, rare and heavy": page(from_=rare, to=to),
        "from, since and until": page(from_=heavy, since=since, until=until),
        "to, since and until": page(to=to, since=since, until=until),
        "cursor at the very end": page(cursor=fields["cursor"]),
        "total of all": ["/messages"],
        "total by from": _paths({"from_": heavy}),
        "total by to": _paths({"to": to}),
        "total by since and until": _paths({"since": since, "until": until}),
        "total by from and to": _paths({"from_": heavy, "to": to}),
        "total by from and range": _paths({"from_": heavy, "since": since, "until": until}),
        "total by to and range": _paths({"to": to, "since": since, "until": until}),
        "q": _paths({"q": words}),
        "q and from": _paths({"q": words, "from_": heavy}),
        "q and since": _paths({"q": words, "since": middle}),
        "stats": ["/stats"],
    }
    return [Kind(name, paths[name]) for name in BARS]


def _paths(fields: dict[str, Iterable[str]]) -> list[str]:
    names = [name.rstrip("_") for name in fields]
    rows = zip(*fields.values(), strict=False)
    return [f"/messages?{urlencode(dict(zip(names, row, strict=True)))}" for row in rows]


def _range(chosen: random.Random, messages: int) -> tuple[str, str]:
    """`since` and `until`, of one in RANGE_SHARE messages."""
    length = messages * dataset.APART / RANGE_SHARE
    begin = dataset.BEGIN + chosen.random() * (RANGE_SHARE - 1) * length
    return format_instant(begin), format_instant(begin + length)


def _rare_senders() -> list[str]:
    """Senders who send seldom, but are in every database: they are in the first chunk."""
    first = {message.sender for message in dataset.messages(dataset.CHUNK_MESSAGES)}
    return sorted(sender for sender in first if sender >= dataset.sender(RARE_SENDER_RANK))


def _cursors_at_the_end(client: Client, messages: int) -> list[str]:
    """Cursors of pages near the end of the order of all messages."""
    path = f"/messages?total=false&limit=1&offset={messages - 10 * VARIANTS}"
    cursors = [client.get(path).json()["next"]]
    while len(cursors) < VARIANTS:
        path = f"/messages?total=false&limit=5&cursor={quote(cursors[-1])}"
        cursors.append(client.get(path).json()["next"])
    return cursors


def _words(client: Client, messages: int) -> list[str]:
    """Words that are in MATCHES_MIN to MATCHES_MAX of the messages, as the service counts them."""
    occurrences_of_first = WORDS_A_MESSAGE * messages / dataset.zipf(dataset.WORDS)[-1]
    least, most = (round(occurrences_of_first / count) for count in (MATCHES_MAX, MATCHES_MIN))
    likely = [w for w in dataset.vocabulary()[least:most] if len(w) >= SEARCH_CHARACTERS_MIN]
    random.Random(messages).shuffle(likely)
    found: list[str] = []
    for word in likely:
        total = client.get(f"/messages?{urlencode({'q': word, 'limit': 1})}").json()["total"]
        if MATCHES_MIN <= total <= MATCHES_MAX:
            found.append(word)
        if len(found) == WORDS:
            break
    return found or likely[:WORDS]
