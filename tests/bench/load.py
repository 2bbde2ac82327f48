"""The load: signed webhooks made beforehand, and wrk to send them."""

import hashlib
import hmac
import json
import random
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from service.messages.instants import format_instant
from tests.bench import dataset
from tests.bench.places import FOLDER
from tests.bench.watch import Watch

SECRET = b"bench"
SENDERS = 1_000
RECIPIENTS = 10
"""Numbers that a company is written to at: few, as in life."""

MICROSECONDS_APART = 70
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

WRK_TIMEOUT_SECONDS = 30
LONG_SECONDS = 3_600


class Result(NamedTuple):
    """What wrk saw in one run. Latencies are corrected for what a stall kept from being sent."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    """Answers other than 2xx and 3xx, and requests without one."""
    position: int
    """The byte of the file at which the next run may begin, to send what was not sent yet."""
    wraps: int
    """How often the file was begun again, and with it messages that were sent before."""

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


def find_wrk() -> str:
    """The path of wrk; raises SystemExit with a sentence where it is not installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("The bench needs wrk: apt-get install wrk.")
    return wrk


def short_requests(count: int, watch: Watch) -> Path:
    """A file of `count` webhooks of about 150 bytes each, from 1,000 senders, with random ids."""
    return _requests_file("short", count, _short_bodies(count), watch)


def long_requests(count: int, watch: Watch) -> Path:
    """A file of `count` webhooks as `dataset` has them, later than any that it would store."""
    return _requests_file("long", count, _long_bodies(count), watch)


def signed_request(body: bytes) -> bytes:
    """A whole HTTP request."""
    digest = hmac.digest(SECRET, body, "sha256").hex()
    return HEAD.format(digest, len(body)).encode() + body


def run_wrk(file: Path, port: int, connections: int, seconds: int, position: int = 0) -> Result:
    """Post the requests of `file` from byte `position` on, over connections kept open."""
    command = _wrk(file, port, connections, seconds, position, 0)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return _parse(done.stdout)


class Pacing:
    """A wrk that sends at a steady rate until `stop`."""

    def __init__(
        self, file: Path, port: int, connections: int, rate: float, position: int = 0
    ) -> None:
        """`rate` is in requests a second, over all connections."""
        command = _wrk(file, port, connections, LONG_SECONDS, position, rate)
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def stop(self) -> Result:
        """What it saw; raises SystemExit where it ended before."""
        if self._process.poll() is not None:
            raise SystemExit("wrk ended too soon")
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate()
        return _parse(output)

    def kill(self) -> None:
        """End it where it has not ended."""
        self._process.kill()
        self._process.wait()


@contextmanager
def pacing(
    file: Path, port: int, connections: int, rate: float, position: int = 0
) -> Iterator[Pacing]:
    """Send meanwhile at a steady rate, and leave no process behind."""
    wrk = Pacing(file, port, connections, rate, position)
    try:
        yield wrk
    finally:
        wrk.kill()


def _wrk(
    file: Path, port: int, connections: int, seconds: int, position: int, rate: float
) -> list[str]:
    script = Path(__file__).with_name("webhook.lua")
    options = {
        "--threads": 1,
        "--connections": connections,
        "--duration": f"{seconds}s",
        "--timeout": f"{WRK_TIMEOUT_SECONDS}s",
        "--script": script,
    }
    words = [str(word) for option in options.items() for word in option]
    return [
        find_wrk(), *words, f"http://127.0.0.1:{port}", "--", str(file), str(position), str(rate)
    ]  # fmt: skip


def _parse(output: str) -> Result:
    return Result(**json.loads(output.splitlines()[-1]))


def _requests_file(kind: str, count: int, bodies: Iterable[bytes], watch: Watch) -> Path:
    """The file, from an earlier run where its makers are the same."""
    made_by = Path(__file__).read_bytes() + Path(dataset.__file__).read_bytes()
    digest = hashlib.sha256(made_by).hexdigest()[:12]
    file = FOLDER / f"requests-{kind}-{count}-{digest}"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob(f"requests-{kind}-{count}-*"):
            old.unlink()
        partial = file.with_suffix(".partial")
        with partial.open("wb") as out, watch.counting(f"signing {kind} messages", count) as step:
            for number, body in enumerate(bodies):
                request = signed_request(body)
                out.write(b"%08d" % len(request) + request)
                if number % 1_000 == 0:
                    step(min(1_000, count - number))
        partial.rename(file)
    return file


def _short_bodies(count: int) -> Iterator[bytes]:
    chosen = random.Random(1)
    begin = datetime.now(UTC)
    for number in range(count):
        late = timedelta(
            microseconds=number * MICROSECONDS_APART + chosen.randrange(JITTER_MICROSECONDS)
        )
        yield _encode(
            str(uuid.UUID(int=chosen.getrandbits(128), version=4)),
            f"+1415555{chosen.randrange(SENDERS):04d}",
            f"+1800555{chosen.randrange(RECIPIENTS):04d}",
            (begin + late).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            chosen.choice(TEXTS),
        )


def _long_bodies(count: int) -> Iterator[bytes]:
    for chunk in dataset.messages(count, seed=2, begin=dataset.END):
        for message in chunk:
            yield _encode(
                message.message_id,
                message.from_msisdn,
                message.to_msisdn,
                format_instant(message.ts),
                message.text,
            )


def _encode(message_id: str, from_: str, to: str, ts: str, text: str | None) -> bytes:
    message = {"message_id": message_id, "from": from_, "to": to, "ts": ts, "text": text}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
