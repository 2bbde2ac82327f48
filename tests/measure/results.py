"""Files of results, and what every one of them says of its run."""

import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from tests.measure import machine
from tests.measure.tables import table

Kept = TypeVar("Kept")

_spread_lines = re.compile(rb'\{\s*"median":[^{}]*\}')


class Measured(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where, when and with what something was measured. A subclass adds the figures."""

    command: str
    began_at: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str] = {}
    seconds: float = 0
    load_average: list[float] = []
    """Of one minute: before it began, and when it had ended."""
    measured_again: dict[str, str] = {}
    """By part that was measured later than the rest: when, and the commit."""

    @classmethod
    def begin(cls, program: str, **fields: Any) -> Self:
        """For a run that begins now, by the command line of this process."""
        return cls(
            command=" ".join([program, *sys.argv[1:]]),
            began_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            commit=machine.describe_commit(),
            machine=machine.describe_machine(),
            versions=machine.describe_versions(),
            load_average=[os.getloadavg()[0]],
            **fields,
        )

    def end(self) -> None:
        """Note how long it took."""
        self.seconds = round(time.time() - datetime.fromisoformat(self.began_at).timestamp(), 1)
        self.load_average = [self.load_average[0], os.getloadavg()[0]]

    def replace_part(self, part: str, later: Self) -> None:
        """Put one part of a later run in place of this one's."""
        setattr(self, part, getattr(later, part))
        self.measured_again[part] = f"{later.began_at[:10]}, commit {later.commit}"

    def source(self) -> str:
        """Command, date, machine and commit, whether the machine was busy, and what is newer."""
        processor, cores = self.machine["processor"], self.machine["cores"]
        busy = self.load_average[0] if self.load_average else 0
        warning = f"; **on a busy machine** (load average {busy:.2f})"
        again = [
            f" Measured again, `--parts {part}`: {when}."
            for part, when in self.measured_again.items()
        ]
        return (
            f"`{self.command}` on {self.began_at[:10]}, {processor} with {cores} cores,"
            f" commit {self.commit}{warning if busy > machine.QUIET_LOAD else ''}.{''.join(again)}"
        )

    def conditions(self, **more: object) -> str:
        """Where, when and with what, as a table."""
        rows = {
            "command": f"`{self.command}`, {self.seconds / 60:.1f} minutes",
            "when": self.began_at,
            "commit": self.commit,
            **self.machine,
            "load average before, after": ", ".join(f"{load:.1f}" for load in self.load_average),
            **more,
            **self.versions,
        }
        return table(["condition", ""], rows.items())


def save(results: Any, file: Path) -> None:
    """Write JSON with a line for each figure."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(results), indent=1)
    file.write_bytes(_spread_lines.sub(_on_one_line, text) + b"\n")


def load(file: Path, kind: type[Kept]) -> Kept:
    """Read what `save` has written."""
    return msgspec.json.decode(file.read_bytes(), type=kind)


def _on_one_line(spread: re.Match[bytes]) -> bytes:
    return msgspec.json.format(spread[0], indent=0)
