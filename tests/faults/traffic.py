"""Messages, and clients that deliver them. The id of a request is the id of its message."""

import hashlib
import http.client
import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import NamedTuple

from service.store.interface import Row
from tests.support.service import SECRET, WAIT_SECONDS, encode, signature, signed
from tests.support.strategies import NOON, Sent, microseconds

COMMON = "überall"
"""A word in every text that has words."""

RECIPIENT = "+33612340001"
"""That of a fourth of the messages."""

WORDS = ("Straße", "ΣΊΣΥΦΟΣ", "kaffee", "100%", "it's", "naïve", "Москва", "👍", "京都", "_under_")


SOURCES = {"SOURCE_GITHUB_SECRET": SECRET, "SOURCE_WHATSAPP_SECRET": SECRET}
"""The environment of a service that takes what is sent here."""


class PlainEvent(Sent):
    """An event of GitHub that brings no message; `message_id` is its id."""


class Brought(Sent):
    """A message that an event of WhatsApp brings."""


class Exchange(NamedTuple):
    """One delivery, and its answer."""

    sent: Sent
    status: int | None
    """None: no answer."""
    retry_after: str | None = None


def messages(name: str, count: int, chance: random.Random) -> list[Sent]:
    """Different messages; their ids begin with `name` and have one length."""
    return [
        Sent(
            message_id=f"{name}-{number:05}",
            sender=f"+49170{chance.randrange(12):07}",
            recipient=f"+3361234{chance.randrange(4):04}",
            moment=NOON + timedelta(microseconds=chance.randrange(10**9)),
            fraction_digits=6,
            text=_text(f"{name}-{number:05}", chance),
        )
        for number in range(count)
    ]


def mix(sent: Sequence[Sent], chance: random.Random) -> list[Sent]:
    """The same, but some are events, and others are brought by one."""
    return [_mix(each, chance.random()) for each in sent]


def _mix(sent: Sent, kind: float) -> Sent:
    if kind < 0.2:
        return PlainEvent(*sent)
    if kind < 0.4:  # WhatsApp sends whole seconds, and no empty text
        moment = sent.moment.replace(microsecond=0)
        return Brought(*sent)._replace(moment=moment, fraction_digits=0, text=sent.text or None)
    return sent


def name_event(sent: Sent) -> tuple[str, str] | None:
    """The source and the id of the event that it is, or that brings it."""
    match sent:
        case PlainEvent():
            return "github", sent.message_id
        case Brought():
            return "whatsapp", hashlib.sha256(body_of(sent)).hexdigest()
    return None


def body_of(sent: Sent) -> bytes:
    """The body of the request."""
    if not isinstance(sent, Brought):
        return encode(sent.content())
    message = {
        "id": sent.message_id,
        "from": sent.sender[1:],
        "timestamp": str(microseconds(sent.moment) // 1_000_000),
        "type": "image" if sent.text is None else "text",
        "text": {"body": sent.text},
    }
    value = {"metadata": {"display_phone_number": sent.recipient}, "messages": [message]}
    return encode({"entry": [{"changes": [{"field": "messages", "value": value}]}]})


def unique_word(message_id: str) -> str:
    """A word that only the text of this message has; no other text has all of its trigrams."""
    return hashlib.sha256(message_id.encode()).hexdigest()[:20]


def rows(sent: Sequence[Sent]) -> dict[str, Row]:
    """The rows that must be stored, by id."""
    return {each.message_id: each.row() for each in sent}


def spread(sent: Sequence[Sent], connections: int, chance: random.Random) -> list[list[Sent]]:
    """What each connection delivers, one after the other.

    Some messages come again: on another connection, at the same time; on their own, later; and
    later with another text, which changes nothing.
    """
    lines: list[list[Sent]] = [[] for _ in range(connections)]
    for number, each in enumerate(sent):
        line = lines[number % connections]
        line.append(each)
        kind = chance.random()
        if kind < 0.1:
            lines[(number + 1) % connections].append(each)
        elif kind < 0.15:
            line.append(each)
        elif kind < 0.2 and not isinstance(each, Brought):  # its event would be another one
            line.append(each._replace(text="another text, which is not kept"))
    return lines


def deliver(port: int, lines: Sequence[Sequence[Sent]], pause_seconds: float = 0) -> list[Exchange]:
    """Deliver each line on a connection of its own, at the same time."""
    exchanges: list[Exchange] = []

    def run(line: Sequence[Sent]) -> None:
        with closing(connect(port)) as connection:
            for sent in line:
                exchanges.append(post(connection, sent))
                time.sleep(pause_seconds)

    threads = [threading.Thread(target=run, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return exchanges


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)


def post(connection: http.client.HTTPConnection, sent: Sent) -> Exchange:
    """One delivery; a broken connection opens again at the next one."""
    body, event = body_of(sent), name_event(sent)
    path = f"/webhook/{event[0]}" if event else "/webhook"
    headers = signed(body) | {
        "X-Request-ID": sent.message_id,
        "X-Hub-Signature-256": f"sha256={signature(body)}",
        "X-GitHub-Delivery": sent.message_id,
    }
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return Exchange(sent, None)
    return Exchange(sent, response.status, response.getheader("Retry-After"))


def _text(message_id: str, chance: random.Random) -> str | None:
    kind = chance.random()
    if kind < 0.05:
        return None
    if kind < 0.1:
        return chance.choice(["", "a", "👍"])
    words = [COMMON, unique_word(message_id), *chance.choices(WORDS, k=chance.randrange(12))]
    if kind < 0.2:  # longer than a page of the database
        words += chance.choices(WORDS, k=600)
    return " ".join(words)[:4096]
