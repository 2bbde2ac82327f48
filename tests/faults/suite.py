"""Seeds: each is one power loss in a recording, and one verdict."""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import msgspec

from tests.faults.crashes import choose, leave
from tests.faults.recording import Recording, Studio
from tests.faults.recovery import recover
from tests.faults.scenarios import SCENARIOS, import_file

SEEDS_A_RECORDING = 5

AT_A_TIME = 2
"""Seeds: while one process starts, the answers of another are checked."""


class Result(msgspec.Struct, frozen=True):
    """The result of one seed."""

    seed: int
    scenario: str
    crashes: int
    """2 if the recording itself began after another crash; operators make none."""
    crash: str
    """Or what the operator did."""
    acknowledged: int
    lost: list[str]
    twice: list[str]
    complaints: list[str]
    command: str = "just faults"

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.twice or self.complaints)

    def __str__(self) -> str:
        wrong = [
            *(f"lost {each}" for each in self.lost[:3]),
            *(f"twice {each}" for each in self.twice[:3]),
            *self.complaints[:3],
        ]
        found = "; ".join(wrong) or "all kept"
        return f"{self.command} --seed {self.seed}   # {self.scenario}, {self.crash}: {found}"


def seeds_of(scenario: int, count: int) -> range:
    """The first seeds of one scenario, at most SEEDS_A_RECORDING: they share a recording."""
    first = scenario * SEEDS_A_RECORDING
    return range(first, first + min(count, SEEDS_A_RECORDING))


def run(library: Path, folder: Path, seeds: Iterable[int], bad: Path) -> Iterator[Result]:
    """The results of seeds, which are in rising order, as they come.

    The files of a bad seed stay in `bad`/SEED, as the service found them.
    """
    for number, together in groupby(seeds, lambda seed: seed // SEEDS_A_RECORDING):
        place = folder / f"recording-{number}"
        place.mkdir(parents=True)
        record = SCENARIOS[number % len(SCENARIOS)]
        recording = record(Studio(library, place, number))

        def judge(seed: int, recording: Recording = recording, place: Path = place) -> Result:
            return _judge(recording, place / str(seed), seed)

        with ThreadPoolExecutor(AT_A_TIME) as threads:
            for result in threads.map(judge, together):
                if not result.is_good:
                    _keep(recording, result.seed, bad / str(result.seed))
                yield result
        shutil.rmtree(place)


def _judge(recording: Recording, place: Path, seed: int) -> Result:
    crash = choose(recording.operations, recording.database, seed)
    disk = place / "disk"
    disk.mkdir(parents=True)
    leave(recording.before, recording.operations, recording.database, crash, disk)
    promise = recording.promise(crash.time)
    database = disk / recording.database
    if recording.import_file is not None and seed % 2:
        # An interrupted import is run again; then all of it must be there.
        import_file(recording.import_file, {"DATABASE_URL": f"sqlite:///{database}"})
        acknowledged = dict.fromkeys([*promise.acknowledged, *recording.imported])
        promise = promise._replace(acknowledged=list(acknowledged))
    verdict = recover(place, database, promise, recording.source)
    lucks = ", ".join(luck.name.lower() for luck in crash.lucks)
    return Result(
        seed,
        recording.scenario,
        2 if recording.scenario == "again" else 1,
        f"after {crash.time} of {len(recording.operations)} operations, {lucks}",
        verdict.acknowledged,
        verdict.lost,
        verdict.twice,
        verdict.complaints,
    )


def _keep(recording: Recording, seed: int, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    crash = choose(recording.operations, recording.database, seed)
    leave(recording.before, recording.operations, recording.database, crash, place)
