"""Signed webhooks, made before anything is measured and kept in files for the next bench."""

import hashlib
import hmac
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.traffic import dataset
from tests.bench.traffic.dataset import Message, random_id
from tests.measure.places import FOLDER
from tests.measure.watch import Watch

SECRET = b"bench"
SENDERS = 1_000
RECIPIENTS = 10
"""Numbers that a company is written to at: few, as in life."""

APART = timedelta(microseconds=70)
JITTER_MICROSECONDS = 500_000
"""Messages arrive about in the order of their `ts`, half a second early or late."""

TEXTS = (
    "Your parcel is out for delivery today between 14:00 and 16:00.",
    "Спасибо за заказ! Курьер приедет сегодня.",
    "您的订单已发货,预计明天送达。",
    "Rappel : votre rendez-vous est demain à 9 h 30.",
    "ok",
)

EVENT_BYTES = 1_000

HEAD = (
    "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "X-Signature: {}\r\nContent-Length: {}\r\n\r\n"
)

EVENT_HEAD = HEAD.replace("/webhook", "/webhook/github").replace(
    "X-Signature: {}",
    "X-GitHub-Event: push\r\nX-GitHub-Delivery: {}\r\nX-Hub-Signature-256: sha256={}",
)


def short_requests(count: int, watch: Watch, seed: int = 1) -> Path:
    """A file of `count` webhooks of about 150 bytes each, from 1,000 senders, with random ids."""
    messages = _short_messages(count, seed)
    return _file(f"short-{seed}-{count}", count, map(_signed_message, messages), watch)


def long_requests(count: int, watch: Watch) -> Path:
    """A file of `count` webhooks as `dataset` has them, later than any of a stored database."""
    messages = dataset.messages(count, seed=2, begin=dataset.END)
    return _file(f"long-{count}", count, map(_signed_message, messages), watch)


def event_requests(count: int, watch: Watch) -> Path:
    """A file of `count` webhooks of GitHub, of EVENT_BYTES each."""
    chosen = random.Random(1)
    return _file(f"event-{count}", count, (_event(chosen) for _ in range(count)), watch)


def _event(chosen: random.Random) -> bytes:
    delivery = random_id(chosen)
    body = json.dumps({"after": delivery, "message": ""}).encode()
    body = body[:-2] + b"x" * (EVENT_BYTES - len(body)) + body[-2:]
    digest = hmac.digest(SECRET, body, "sha256").hex()
    return EVENT_HEAD.format(delivery, digest, len(body)).encode() + body


def signed_request(body: bytes) -> bytes:
    """A whole HTTP request."""
    digest = hmac.digest(SECRET, body, "sha256").hex()
    return HEAD.format(digest, len(body)).encode() + body


def _signed_message(message: Message) -> bytes:
    return signed_request(message.encode())


def _file(name: str, count: int, requests: Iterable[bytes], watch: Watch) -> Path:
    """The file, from an earlier run if its makers are the same."""
    made_by = Path(__file__).read_bytes() + Path(dataset.__file__).read_bytes()
    digest = hashlib.sha256(made_by).hexdigest()[:12]
    file = FOLDER / f"requests-{name}-{digest}"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob(f"requests-{name}-*"):
            old.unlink()
        partial = file.with_suffix(".partial")
        with partial.open("wb") as out:
            for request in watch.track("signing webhooks", requests, count):
                out.write(b"%08d" % len(request) + request)
        partial.rename(file)
    return file


def _short_messages(count: int, seed: int) -> Iterator[Message]:
    chosen = random.Random(seed)
    begin = datetime.now(UTC)
    for number in range(count):
        late = timedelta(microseconds=chosen.randrange(JITTER_MICROSECONDS))
        yield Message(
            random_id(chosen),
            f"+1415555{chosen.randrange(SENDERS):04d}",
            f"+1800555{chosen.randrange(RECIPIENTS):04d}",
            begin + number * APART + late,
            chosen.choice(TEXTS),
        )
