"""WORKERS=n: several processes of the service behind one address, and the one that minds them.

The supervisor binds the sockets, makes the memory that the workers count in, and forks them before
there is any thread, event loop or connection to a database. From then on it serves nobody: it
passes signals on, and starts a worker anew that has ended by itself.
"""

import gc
import os
import signal
import time
import traceback
from collections import deque
from contextlib import suppress
from resource import struct_rusage
from typing import Any, NoReturn, cast

from service.app import PATHS
from service.commands.signals import Signals
from service.companion import Companion
from service.errors import SettingsError, StartError
from service.http.server import run
from service.http.sockets import IS_BALANCED, bind_each
from service.settings import Settings
from service.telemetry.logs import Log, encode_event
from service.telemetry.metrics import Metrics
from service.telemetry.output import SharedOutput, create_lock
from service.telemetry.scoreboard import Scoreboard
from service.worker import Worker

STOP_SECONDS = 9.5
"""After that much of a stop the workers that are still there are killed: it takes at most 10 s."""

PUBLISH_SECONDS = 1.0

REASON_CHARACTERS_MAX = 300
LINES_MAX = 100
"""So many lines of the supervisor's own wait for standard output to be read."""

ENDED_BEFORE_SERVING = (-signal.SIGTERM, -signal.SIGINT)
"""What a worker ends with that is told to stop before it has anything to stop."""


class Supervisor:
    """Runs `settings.workers` workers. Raises StartError where the port can't be had."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers = [
            Worker(number, sockets)
            for number, sockets in enumerate(
                bind_each(settings.host, settings.port, settings.workers), start=1
            )
        ]
        self._scoreboard = Scoreboard(settings.workers + 1)
        self._metrics = Metrics(PATHS, self._scoreboard, row=settings.workers)
        self._output = SharedOutput(1, create_lock())
        self._lines: deque[bytes] = deque()
        self._life, self._life_writer = os.pipe()
        self._lines_dropped = 0
        self._metrics.watch_log(lambda: self._lines_dropped)
        self._kill_at: float | None = None
        self._failure: StartError | None = None
        self._exit_code = 0

    def run(self) -> int:
        """Returns when all workers have ended, behind a signal: 0 where each of them ended well.

        Raises StartError where one can't start at first.
        """
        gc.collect()
        gc.freeze()  # what is never looked at again is not copied to every worker
        self._signals = Signals()
        while not (self._is_stopping and not self._living):
            self._start_due()
            for number in self._signals.wait(self._seconds_to_wait()):
                if number != signal.SIGCHLD:
                    self._pass_on(number)
            self._reap()
            self._kill_late()
            self._metrics.publish()
            self._write_lines()
        if self._failure is not None:
            raise self._failure
        return self._exit_code

    @property
    def _is_stopping(self) -> bool:
        return self._kill_at is not None

    @property
    def _living(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.pid is not None]

    def _seconds_to_wait(self) -> float:
        starts = [worker.start_at for worker in self._workers if worker.pid is None]
        next_at = min(starts, default=float("inf")) if self._kill_at is None else self._kill_at
        return min(max(next_at - time.monotonic(), 0), PUBLISH_SECONDS)

    # Starting

    def _start_due(self) -> None:
        for worker in self._workers:
            now = time.monotonic()
            if worker.pid is None and worker.start_at <= now and not self._is_stopping:
                self._start(worker, now)

    def _start(self, worker: Worker, now: float) -> None:
        worker.started_at = now
        reports, reports_writer = os.pipe()
        try:
            with self._signals.held():
                pid = os.fork()
                if pid == 0:
                    os.close(reports)
                    self._become(worker, reports_writer)
        except OSError as error:  # no memory, or too many processes: there may soon be room
            os.close(reports)
            delay = worker.delay_start(now)
            self._say("fork_failed", reason=error.strerror, starts_again_in_seconds=delay)
        else:
            worker.pid, worker.reports = pid, reports
            worker.starts += 1
        finally:
            os.close(reports_writer)

    def _become(self, worker: Worker, reports: int) -> NoReturn:
        """Be the worker, in the process that was just forked, to its end."""
        exit_code = 1
        try:
            # A Ctrl-C at a terminal reaches a group of processes. A worker would take it, and what
            # is passed on, for two: the second means haste.
            os.setpgid(0, 0)
            signal.signal(
                signal.SIGTTOU, signal.SIG_IGN
            )  # it may write to the terminal all the same
            self._leave_to_others(worker)
            self._signals.forget()
            metrics = Metrics(PATHS, self._scoreboard, worker.row)
            log = Log(self._settings.log_level, self._output, worker=worker.number)
            Companion(self._life, metrics, log).start()
            run(self._settings, log, metrics, lambda: worker.sockets)
            exit_code = 0
        except StartError as error:
            os.write(reports, str(error).encode())
            exit_code = error.exit_code
        except KeyboardInterrupt:  # before there was anything to stop
            exit_code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(exit_code)

    def _leave_to_others(self, worker: Worker) -> None:
        """Close what is not the worker's: its life would prolong that of the others' sockets."""
        os.close(self._life_writer)
        for other in self._living:
            os.close(other.reports)
        for other in self._workers:
            for bound in other.sockets:
                if bound not in worker.sockets:
                    bound.close()

    # Ending

    def _pass_on(self, number: int) -> None:
        """The first signal asks for a stop; a second SIGINT, for one that waits for no client."""
        if self._is_stopping:
            self._signal_all(number)
        else:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._kill_at = time.monotonic() + STOP_SECONDS
        for worker in self._workers:
            for bound in worker.sockets:
                bound.close()
        self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        for worker in self._living:
            os.kill(cast("int", worker.pid), number)

    def _kill_late(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + PUBLISH_SECONDS
            self._signal_all(signal.SIGKILL)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, usage = ended
                for worker in self._workers:
                    if worker.pid == pid:
                        self._bury(worker, os.waitstatus_to_exitcode(status), usage)

    def _bury(self, worker: Worker, exit_code: int, usage: struct_rusage) -> None:
        """Take note of the end of a worker, and of what is to follow from it."""
        pid, worker.pid = worker.pid, None
        worker.processor_seconds = self._metrics.retire(
            worker.row, worker.processor_seconds + usage.ru_utime + usage.ru_stime
        )
        report = worker.take_report()
        if exit_code > 0 and worker.starts == 1 and not worker.has_lived(time.monotonic()):
            # A worker that nobody killed: the next one could not start, either.
            self._fail(report or f"a worker ended at its start: {_describe(exit_code)}", exit_code)
        elif not self._is_stopping:
            delay = worker.delay_start(time.monotonic())
            if delay and IS_BALANCED:
                # Until it is there again, connections go to the others.
                worker.leave_port()
            self._say(
                "worker_ended",
                worker=worker.number,
                pid=pid,
                reason=report[:REASON_CHARACTERS_MAX] or _describe(exit_code),
                starts_again_in_seconds=delay,
            )
        elif exit_code not in (0, *ENDED_BEFORE_SERVING):
            self._exit_code = 1
            self._say("worker_failed", worker=worker.number, pid=pid, reason=_describe(exit_code))

    def _fail(self, report: str, exit_code: int) -> None:
        """Stop, since a worker can't start at first: nor could the others, or only in part."""
        kind = SettingsError if exit_code == SettingsError.exit_code else StartError
        self._failure = self._failure or kind(report)
        if not self._is_stopping:
            self._stop(signal.SIGTERM)

    # Lines of its own: without a thread, which a process that forks must not have

    def _say(self, event: str, **fields: Any) -> None:
        self._lines.append(encode_event("ERROR", event, fields) + b"\n")
        if len(self._lines) > LINES_MAX:
            self._lines.popleft()
            self._lines_dropped += 1

    def _write_lines(self) -> None:
        """Write what can be written at once, and leave the rest to the next turn."""
        try:
            while self._lines and self._output.offer(self._lines[0]):
                self._lines.popleft()
        except OSError:
            self._lines_dropped += len(self._lines)
            self._lines.clear()


def _describe(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
