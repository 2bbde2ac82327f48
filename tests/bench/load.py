"""The load: signed webhooks made beforehand, and wrk to send them."""

import hmac
import json
import random
import shutil
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

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


class Result(NamedTuple):
    """What wrk saw in one run."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


def find_wrk() -> str:
    """The path of wrk; raises SystemExit with a sentence where it is not installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("The bench needs wrk: apt-get install wrk, or brew install wrk.")
    return wrk


def write_requests(file: Path, count: int) -> None:
    """Write `count` signed messages as `webhook.lua` reads them: a signature, then its body."""
    chosen = random.Random(1)
    begin = datetime.now(UTC)
    with file.open("w", encoding="utf-8") as out:
        for number in track(range(count), description="Signing messages", transient=True):
            late = timedelta(
                microseconds=number * MICROSECONDS_APART + chosen.randrange(JITTER_MICROSECONDS)
            )
            body = _body(chosen, begin + late)
            digest = hmac.digest(SECRET, body.encode(), "sha256").hex()
            out.write(f"{digest}\n{body}\n")


def run_wrk(file: Path, port: int, connections: int, seconds: int, skipped: int = 0) -> Result:
    """Post the messages of `file`, without the first `skipped`, over connections kept open."""
    script = Path(__file__).with_name("webhook.lua")
    command = [find_wrk(), "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", str(script)]
    command += [f"http://127.0.0.1:{port}", "--", str(file), str(skipped)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def _body(chosen: random.Random, ts: datetime) -> str:
    message = {
        "message_id": str(uuid.UUID(int=chosen.getrandbits(128), version=4)),
        "from": f"+1415555{chosen.randrange(SENDERS):04d}",
        "to": f"+1800555{chosen.randrange(RECIPIENTS):04d}",
        "ts": ts.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "text": chosen.choice(TEXTS),
    }
    return json.dumps(message, separators=(",", ":"))
