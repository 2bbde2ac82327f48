"""Runs the service as operators do: it is started again whenever it has ended with code 1."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.faults.traffic import Exchange, deliver
from tests.support.processes import ServiceProcess
from tests.support.service import ROOT
from tests.support.strategies import Sent

FAILED = 1


class Supervisor:
    """One service after the other. Inside the `with`, one listens."""

    def __init__(
        self,
        folder: Path,
        environment: Callable[[int], Mapping[str, str]],
        source: Path = ROOT,
    ) -> None:
        """`environment` is that of the first start (0), the second, and so on."""
        self._folder = folder
        self._environment = environment
        self._source = source
        self.starts = 0
        self.complaints: list[str] = []
        """Ends that were no clear exit."""

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.process.kill()
        self.process.wait()
        if self.process.errors:
            self.complaints.append(f"it says: {self.process.errors}")

    def deliver(self, lines: Sequence[Sequence[Sent]], pause_seconds: float = 0) -> list[Exchange]:
        """As `traffic.deliver`. Where no answer came, the service has ended, and runs again."""
        if self.has_ended:
            self.restart()
        exchanges = deliver(self.process.port, lines, pause_seconds)
        if any(each.status is None for each in exchanges):
            self.restart()
        return exchanges

    @property
    def has_ended(self) -> bool:
        return self.process.process.poll() is not None

    def restart(self) -> None:
        """Wait for the end, which must be clear, and start again."""
        self._judge_end(self.process.wait())
        self._start()

    def stop(self) -> int:
        """Stop it with SIGTERM; gives the exit code. One that the disk ended first runs again."""
        while (code := self.process.stop()) == FAILED:
            self.restart()
        return code

    def _start(self) -> None:
        while True:
            environment = self._environment(self.starts)
            self.process = ServiceProcess(self._folder, environment, source=self._source)
            self.starts += 1
            try:
                self.process.__enter__()
                return
            except AssertionError:
                self._judge_end(self.process.wait())

    def _judge_end(self, code: int) -> None:
        reasons = reasons_of(self.process)
        if code != FAILED or len(reasons) != 1:
            self.complaints.append(f"it ended with {code} and said {reasons}")


def reasons_of(process: ServiceProcess) -> list[str]:
    """The lines that say why a process has ended."""
    logged = [line["message"] for line in process.log_lines("disk_failed")]
    return [*logged, *process.errors.splitlines()]
