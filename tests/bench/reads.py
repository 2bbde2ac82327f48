"""Every read that the service offers, as requests on a database of a known size."""

import json
import random
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from service.api.messages import encode_cursor
from service.messages.instants import format_instant
from service.messages.text import fold
from service.store.interface import Filter, Position
from tests.bench import dataset
from tests.bench.client import Client
from tests.bench.files import reading

VARIANTS = 100
"""Different requests of a kind; they are sent one after the other, again and again."""

HEAVY_SENDERS = 10
HEAVY_RECIPIENTS = 10
RARE_SENDER_RANK = 50_000
SAMPLE_MESSAGES = 10_000
"""Among which rare senders are looked for: one in twenty messages is from one."""

RARE_RECIPIENT_RANK = 900

RANGE_SHARE = 10
"""A range of time holds one in so many of all messages, wherever it begins."""

LAST_MESSAGES = 1_000
"""The page at the very end begins behind one of so many."""

MATCHES_MIN, MATCHES_MAX = 100, 1_000
"""Messages that a search finds."""

SEARCH_CHARACTERS_MIN = 3
WORDS_A_MESSAGE = (dataset.WORDS_MIN + dataset.WORDS_MAX) / 2

PAGE_MS, SEARCH_MS, STATS_MS = 10, 50, 5
PAGE_GROWTH, SEARCH_GROWTH, STATS_GROWTH = 2.0, 5.0, 1.5
COUNTED_NS = 100


class Bar(NamedTuple):
    """What a read is held to at ten million messages."""

    p99_ms: float | None
    growth: float | None
    """p50 at ten million, divided by that at 100,000."""
    counted_ns: float | None = None
    """For each message counted, where counting is what takes the time."""


PAGE = Bar(PAGE_MS, PAGE_GROWTH)
TOTAL = Bar(PAGE_MS, None)
COUNT = Bar(None, None, COUNTED_NS)
SEARCH = Bar(SEARCH_MS, SEARCH_GROWTH)
STATS = Bar(STATS_MS, STATS_GROWTH)

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
    "total of all": TOTAL,
    "total by from": TOTAL,
    "total by to": TOTAL,
    "total by since and until": COUNT,
    "total by from and to": COUNT,
    "total by from and range": COUNT,
    "total by to and range": COUNT,
    "q": SEARCH,
    "q and from": SEARCH,
    "q and since": SEARCH,
    "stats": STATS,
}
"""Every kind of read, and the bar that it is held to."""

SLOW = "q that may be slow"
"""No bar of its own: it must not harm those beside it."""


class Kind(NamedTuple):
    """A kind of read, as the paths that ask for it."""

    name: str
    paths: Sequence[str]


class Facts(NamedTuple):
    """What has to be looked up to ask for something that is there."""

    rare_senders: list[str]
    last: list[Position]


def look_up(database: Path) -> Facts:
    """The facts of a database that no server has open."""
    with reading(database) as connection:
        (last_seq,) = connection.execute("SELECT max(seq) FROM messages").fetchone()
        return Facts(_rare_senders(connection, last_seq), _last(connection, last_seq))


def kinds(messages: int, facts: Facts, words: Sequence[str]) -> list[Kind]:
    """All reads, of a database of so many messages; `words` are what is searched."""
    chosen = random.Random(messages)
    until_of = [_range(chosen, messages) for _ in range(VARIANTS)]
    heavy = [dataset.sender(number % HEAVY_SENDERS) for number in range(VARIANTS)]
    rare = [facts.rare_senders[number % len(facts.rare_senders)] for number in range(VARIANTS)]
    to = [dataset.recipient(chosen.randrange(HEAVY_RECIPIENTS)) for _ in range(VARIANTS)]
    rare_to = [
        dataset.recipient(chosen.randrange(RARE_RECIPIENT_RANK, dataset.RECIPIENTS))
        for _ in range(VARIANTS)
    ]
    cursors = [encode_cursor(position, Filter()) for position in facts.last]
    middle = format_instant(dataset.BEGIN + messages // 2 * dataset.MICROSECONDS_APART)

    def page(**fields: Iterable[str]) -> list[str]:
        return _paths({"total": ["false"] * VARIANTS} | _named(fields))

    def total(**fields: Iterable[str]) -> list[str]:
        return _paths(_named(fields)) if fields else ["/messages"]

    since, until = [begin for begin, _ in until_of], [end for _, end in until_of]
    searched = [words[number % len(words)] for number in range(VARIANTS)]
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
        "cursor at the very end": page(cursor=cursors),
        "total of all": total(),
        "total by from": total(from_=heavy),
        "total by to": total(to=to),
        "total by since and until": total(since=since, until=until),
        "total by from and to": total(from_=heavy, to=to),
        "total by from and range": total(from_=heavy, since=since, until=until),
        "total by to and range": total(to=to, since=since, until=until),
        "q": total(q=searched),
        "q and from": total(q=searched, from_=heavy),
        "q and since": total(q=searched, since=[middle] * VARIANTS),
        "stats": ["/stats"],
    }
    return [Kind(name, paths[name]) for name in BARS]


def find_words(client: Client, messages: int, wanted: int) -> list[str]:
    """Words that are in MATCHES_MIN to MATCHES_MAX of the messages, as the service counts them.

    Where a search takes so long that the service refuses it, words that should be.
    """
    found, likely = [], _likely_words(messages)
    for word in likely:
        answer = client.get(f"/messages?{urlencode({'q': word, 'limit': 1})}")
        if answer.status != 200:
            return likely[:wanted]
        if MATCHES_MIN <= answer.json()["total"] <= MATCHES_MAX:
            found.append(word)
        if len(found) == wanted:
            break
    return found or likely[:wanted]


def slow_paths() -> list[str]:
    """Searches that look at any number of messages: for one letter, for two that many texts have
    and two that none has, and for a word that is everywhere.
    """
    common = next(word for word in dataset.vocabulary() if len(word) >= SEARCH_CHARACTERS_MIN)
    return [f"/messages?{urlencode({'q': text})}" for text in ("e", "ab", "qx", common)]


def _likely_words(messages: int) -> list[str]:
    """Words that most likely are in a good number of messages, in no order."""
    occurrences_of_first = (
        WORDS_A_MESSAGE * messages / sum(1 / (rank + 1) for rank in range(dataset.WORDS))
    )
    least, most = (round(occurrences_of_first / count) for count in (MATCHES_MAX, MATCHES_MIN))
    words = [word for word in dataset.vocabulary()[least:most] if is_searchable(word)]
    random.Random(messages).shuffle(words)
    return words


def is_searchable(word: str) -> bool:
    """Whether `word` is long enough for an index of three characters."""
    return len(fold(word)) >= SEARCH_CHARACTERS_MIN


def _range(chosen: random.Random, messages: int) -> tuple[str, str]:
    """`since` and `until`, of one in RANGE_SHARE messages."""
    length = messages * dataset.MICROSECONDS_APART // RANGE_SHARE
    begin = dataset.BEGIN + chosen.randrange(length * (RANGE_SHARE - 1))
    return format_instant(begin), format_instant(begin + length)


def _named(fields: dict[str, Iterable[str]]) -> dict[str, Iterable[str]]:
    return {name.rstrip("_"): values for name, values in fields.items()}


def _paths(fields: dict[str, Iterable[str]]) -> list[str]:
    rows = zip(*fields.values(), strict=False)
    return [f"/messages?{urlencode(dict(zip(fields, row, strict=True)))}" for row in rows]


def _rare_senders(connection: sqlite3.Connection, last_seq: int) -> list[str]:
    """Senders who send seldom, but have sent."""
    chosen = random.Random(last_seq)
    seqs = json.dumps([chosen.randint(1, last_seq) for _ in range(SAMPLE_MESSAGES)])
    rows = connection.execute(
        "SELECT DISTINCT from_msisdn FROM messages"
        " WHERE seq IN (SELECT value FROM json_each(?)) AND from_msisdn >= ?",
        (seqs, dataset.sender(RARE_SENDER_RANK)),
    )
    return [row[0] for row in rows] or [dataset.sender(RARE_SENDER_RANK)]


def _last(connection: sqlite3.Connection, last_seq: int) -> list[Position]:
    """Places near the end of the order of all messages, which is about that of their arrival."""
    rows = connection.execute(
        "SELECT ts, message_id FROM messages WHERE seq > ? ORDER BY ts, message_id",
        (last_seq - LAST_MESSAGES,),
    ).fetchall()
    return [Position(*row) for row in rows[:: max(1, len(rows) // VARIANTS)]][:VARIANTS]
