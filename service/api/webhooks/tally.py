"""What became of the webhooks of one source: for its metrics, its log lines and `GET /sources`."""

import time
from functools import partial

from service.errors import RequestError
from service.sources.refusals import Refusals, Refused
from service.store.interface import Outcome
from service.telemetry.logs import RequestLine
from service.telemetry.metrics import Metrics


class Tally:
    """Counts the webhooks of one source. Each has one call of `accept` or `refuse`."""

    def __init__(self, source: str, metrics: Metrics) -> None:
        self._source = source
        self._metrics = of_source = metrics.webhooks[source]
        self._conflicts = metrics.webhook_conflicts
        self.refusals = Refusals()
        # A scrape reads these two: to set a gauge with each webhook costs more.
        self.received_at = 0.0
        """When the last signed one came, in seconds since 1970; 0 before the first."""
        self._used_at = [0.0 for _ in of_source.secret_last_used]
        of_source.last_received.set_function(lambda: self.received_at)
        for index, gauge in enumerate(of_source.secret_last_used):
            gauge.set_function(partial(self._used_at.__getitem__, index))

    def receive(self, secret: int, now: float) -> None:
        """A webhook is signed with this secret. `now`: seconds since 1970."""
        self.received_at = self._used_at[secret] = now

    def accept(self, outcome: Outcome, line: RequestLine) -> None:
        """It is on stable storage."""
        is_new = outcome is Outcome.CREATED
        line.dup = not is_new
        if outcome is Outcome.CONFLICT:
            line.conflict = True
            self._conflicts.inc()
        self._count("created" if is_new else "duplicate", line)

    def refuse(self, error: RequestError, line: RequestLine, body: bytes) -> None:
        """It is answered with `error`; `body` is what was read of it."""
        reason = error.webhook_refusal
        if reason is not None:
            self._metrics.refusals[reason].inc()
            line.reason = error.reason
        result = error.webhook_result
        if result is None:
            return
        self._count(result, line)
        if error.status < 500:
            now = int(time.time() * 1_000_000)
            self.refusals.add(Refused(now, reason or result, line.client, len(body)))

    def _count(self, result: str, line: RequestLine) -> None:
        line.source = self._source
        line.result = result
        self._metrics.requests[result].inc()
