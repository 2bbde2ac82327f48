"""Signed webhooks, made before anything is measured and kept in files for the next bench."""

import hashlib
import hmac
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

HEAD = (
    "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "X-Signature: {}\r\nContent-Length: {}\r\n\r\n"
)


def short_requests(count: int, watch: Watch, seed: int = 1) -> Path:
    """A file of `count` webhooks of about 150 bytes each, from 1,000 senders, with random ids."""
    return _file(f"short-{seed}-{count}", count, _short_messages(count, seed), watch)


def long_requests(count: int, watch: Watch) -> Path:
    """A file of `count` webhooks as `dataset` has them, later than any of a stored database."""
    messages = dataset.messages(count, seed=2, begin=dataset.END)
    return _file(f"long-{count}", count, messages, watch)


def signed_request(body: bytes) -> bytes:
    """A whole HTTP request."""
    digest = hmac.digest(SECRET, body, "sha256").hex()
    return HEAD.format(digest, len(body)).encode() + body


def _file(name: str, count: int, messages: Iterable[Message], watch: Watch) -> Path:
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
            for message in watch.track("signing messages", messages, count):
                request = signed_request(message.encode())
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
