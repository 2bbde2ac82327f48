"""What a worker does for the others beside serving: a thread that looks around once a second."""

import os
import select
import signal
import threading
import time

from service.telemetry.logs import Log, format_exception
from service.telemetry.metrics import Metrics

PUBLISH_SECONDS = 1.0

STOP_SECONDS = 10.0
"""How long a worker whose supervisor is gone may take for its stop."""


class Companion(threading.Thread):
    """Keeps the row of this process up to date, and ends the process when its parent has ended.

    `life` is the reading end of a pipe whose other end only the parent holds.
    """

    def __init__(self, life: int, metrics: Metrics, log: Log) -> None:
        super().__init__(name="companion", daemon=True)
        self._life = life
        self._metrics = metrics
        self._log = log

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._life, select.POLLIN)
        self._publish()
        while not poll.poll(PUBLISH_SECONDS * 1000):
            self._publish()
        self._log.error("supervisor_gone")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    def _publish(self) -> None:
        try:
            self._metrics.publish()
        except Exception as error:  # or nobody would see the parent's end
            self._log.error("metrics_failed", exception=format_exception(error))
