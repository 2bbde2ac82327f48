"""Seeds: each is one history of an operator's acts, and one verdict."""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.operators.scenarios import SCENARIOS
from tests.faults.operators.stage import SENDERS, Stage
from tests.faults.recovery import Unreadable, recover
from tests.faults.scenarios import checkout
from tests.faults.suite import Result
from tests.support.service import ROOT

AT_A_TIME = 4
"""Histories: most of their time is waiting."""

SMALL = "SMALL_BYTES = 16 * 2**20"
"""A line of the service: a start checks a database so small whole."""


def run(folder: Path, seeds: Iterable[int], bad: Path) -> Iterator[Result]:
    """The results of seeds as they come. The files of a bad seed stay in `bad`/SEED.

    Half of the services take every database for a large one, which a start does not check whole.
    """

    source = checkout(folder / "checkout")
    wal = source / "service" / "store" / "sqlite" / "wal.py"
    text = wal.read_text("utf-8")
    assert text.count(SMALL) == 1
    wal.write_text(text.replace(SMALL, "SMALL_BYTES = 0"), "utf-8")

    def judge(seed: int) -> Result:
        place = folder / str(seed)
        place.mkdir()
        result = _judge(place, seed, source if seed // len(SCENARIOS) % 2 else ROOT)
        if result.is_good:
            shutil.rmtree(place)
        else:
            bad.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(bad / str(seed), ignore_errors=True)
            shutil.move(place, bad / str(seed))
        return result

    with ThreadPoolExecutor(AT_A_TIME) as threads:
        yield from threads.map(judge, seeds)


def _judge(folder: Path, seed: int, source: Path) -> Result:
    play = SCENARIOS[seed % len(SCENARIOS)]
    stage = Stage(folder, seed, source)
    lost: list[str] = []
    twice: list[str] = []
    try:
        stage.start()
        with stage.load:
            stage.load.wait_for(SENDERS)
            stage.pause()
            play(stage)
            stage.load.wait_for(SENDERS)
            stage.pause()
        stage.settle()
        verdict = recover(folder, stage.database, stage.ledger.promise())
        lost, twice = verdict.lost, verdict.twice
        stage.complaints += verdict.complaints
    except (AssertionError, Unreadable) as error:
        stage.complaints.append(f"{type(error).__name__}: {error}")
    finally:
        stage.service.process.kill()
        stage.service.wait()
        (folder / "log").write_bytes(stage.service.output)
    return Result(
        seed,
        play.__name__,
        0,
        ", ".join(stage.story),
        len(stage.load.acknowledged),
        lost,
        twice,
        stage.complaints,
        "just faults operators",
    )
