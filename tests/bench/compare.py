"""`just bench compare FOLDER`: this checkout against another one, in turns.

Each is started as `python -m service` in its own folder, by its own Python if it has a `.venv`,
with the same environment. The ceiling, which stores nothing, runs in the same turns.
"""

import argparse
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from tests.bench.plan import MESSAGES_PER_SECOND_MAX, PACED_CONNECTIONS, PEAK_CONNECTIONS
from tests.bench.servers.databases import Copy, prepare
from tests.bench.servers.processes import CEILING, Target, environment, running, service
from tests.bench.traffic.load import Figures, Run, load
from tests.bench.traffic.requests import long_requests, short_requests
from tests.bench.traffic.wrk import find_wrk
from tests.measure.figures import Spread
from tests.measure.machine import QUIET_SECONDS_MAX, describe_commit, wait_until_quiet
from tests.measure.places import FOLDER, ROOT, scratch, sweep
from tests.measure.results import Measured, save
from tests.measure.tables import table
from tests.measure.turns import run_in_turns
from tests.measure.watch import Watch

Bars = dict[str, tuple[str, Callable[[float], object]]]

FILE = FOLDER / "compare.json"
MESSAGES = 1_000_000
SHARES = (0.5, 0.7)

FIGURES = {
    "requests_per_second": "webhooks/s",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "cpu_us": "CPU, µs",
    "resident_mebibytes": "memory, MiB",
}
PEAK_BARS: Bars = {"requests_per_second": ("at least 0.97", lambda ratio: ratio >= 0.97)}
PACED_BARS: Bars = {"p99_ms": ("at most 1.1", lambda ratio: ratio <= 1.1)}
"""This checkout to the other: what a change may cost."""

DESCRIBE = """
import importlib.metadata, pathlib, platform, service
print(pathlib.Path(service.__file__).resolve().parent.parent)
print("python", platform.python_version())
for name in "uvicorn uvloop httptools starlette msgspec aiosqlite pysqlite3".split():
    print(name, *(found.version for found in importlib.metadata.distributions(name=name)))
"""
"""Run by a checkout's Python: where its `service` is, and the versions that it runs on."""


class Comparison(Measured):
    """What was found: by what was asked of the servers, and by server."""

    other_commit: str = ""
    found: dict[str, dict[str, Figures]] = msgspec.field(default_factory=dict)

    def add(self, title: str, runs: Mapping[Target, Sequence[Run]]) -> None:
        """The runs of all servers, in the order of the turns."""
        self.found[title] = {target.label: Figures.of(of) for target, of in runs.items()}


def main(words: Sequence[str]) -> None:
    """Compare as the words say, print the tables, and write data/bench/compare.json."""
    options = _options(words)
    find_wrk()
    sweep()
    this, other = service(ROOT, "this"), service(options.folder, "other")
    _tell_differences(this, other)
    with Watch() as watch:
        wait_until_quiet(watch, options.quiet_seconds)
        report = Comparison.begin("just bench", other_commit=describe_commit(options.folder))
        _measure_peak(report, (other, this, CEILING), options, watch)
        if options.at_half_peak:
            _measure_latency(report, (other, this), options, watch)
    report.end()
    save(report, FILE)
    print(render(report))


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="just bench compare", description=__doc__)
    parser.add_argument("folder", type=Path, help="the other checkout")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="length of a run of wrk")
    parser.add_argument(
        "--at-half-peak",
        type=int,
        nargs="?",
        const=MESSAGES,
        metavar="N",
        help=f"compare p99 at 0.5 and 0.7 of the peak, too, onto N messages ({MESSAGES:,})",
    )
    parser.add_argument(
        "--quiet-seconds",
        type=int,
        default=QUIET_SECONDS_MAX,
        help="how long to wait for a quiet machine, at most",
    )
    options = parser.parse_args(words)
    options.folder = options.folder.resolve()
    if not (options.folder / "service" / "__main__.py").is_file():
        parser.error(f"{options.folder} has no service/__main__.py")
    return options


def _tell_differences(this: Target, other: Target) -> None:
    """Print the versions that differ; raises SystemExit if one would run the other's code."""
    for ours, theirs in zip(_versions(this), _versions(other), strict=True):
        if ours != theirs:
            print(f"note: this runs on {ours}, the other on {theirs}")


def _versions(target: Target) -> list[str]:
    done = subprocess.run(
        [target.command[0], "-c", DESCRIBE],
        cwd=target.folder,
        env=environment(FOLDER / "none.db"),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{target.folder} can't be run: {done.stderr.strip()}")
    folder, *versions = done.stdout.splitlines()
    if Path(folder) != target.folder.resolve():
        raise SystemExit(f"{target.folder} would run the service of {folder}")
    return versions


def _measure_peak(
    report: Comparison, targets: Sequence[Target], options: argparse.Namespace, watch: Watch
) -> None:
    """Each onto an empty database, as fast as answers come."""
    requests = short_requests(options.seconds * MESSAGES_PER_SECOND_MAX, watch)

    def run(target: Target) -> Run:
        with scratch() as folder:
            return _run(target, folder / "app.db", requests, options.seconds)

    title = f"{PEAK_CONNECTIONS} connections, empty database"
    report.add(title, run_in_turns(title, targets, options.turns, run, watch))


def _measure_latency(
    report: Comparison, targets: Sequence[Target], options: argparse.Namespace, watch: Watch
) -> None:
    """Each onto copies of a large database: at the peak, then at shares of the first's peak."""
    messages, seconds = options.at_half_peak, options.seconds
    originals = {target: prepare(messages, watch, target) for target in targets}
    requests = long_requests(seconds * MESSAGES_PER_SECOND_MAX, watch)

    def on_copy(target: Target, rate: float) -> Run:
        with scratch() as folder:
            copy = Copy(originals[target], folder / "copy")
            copy.hold(watch)
            try:
                return _run(target, copy.database, requests, seconds, rate)
            finally:
                copy.drop()

    peak = 0.0
    for share in (1, *SHARES):
        title = (
            f"{'the peak' if share == 1 else f'{share:g} of the peak'} onto {messages:,} messages"
        )
        run = partial(on_copy, rate=peak * share)
        runs = run_in_turns(title, targets, options.turns, run, watch)
        report.add(title, runs)
        peak = peak or report.found[title]["other"].requests_per_second.median


def _run(target: Target, database: Path, requests: Path, seconds: int, rate: float = 0) -> Run:
    """One run of wrk; raises SystemExit if an answer is not 200."""
    connections = PACED_CONNECTIONS if rate else PEAK_CONNECTIONS
    with running(target, database) as server:
        done = load(server, requests, connections, seconds, rate=rate)
    if target.stores and not done.result.is_good:
        raise SystemExit(f"{target}: not every answer was 200 to a new message: no figure")
    return done


def render(report: Comparison) -> str:
    """Medians and ranges, the ratios turn by turn, and the bars."""
    tables = [_table(title, of) for title, of in report.found.items()]
    return "\n".join([f"{report.source()} `other` is {report.other_commit}.\n", *tables])


def _table(title: str, found: dict[str, Figures]) -> str:
    bars = PACED_BARS if "of the peak" in title else PEAK_BARS
    rows = []
    for name, words in FIGURES.items():
        of = {label: getattr(figures, name) for label, figures in found.items()}
        ratio = Spread.of_ratios(of["this"], of["other"])
        turns = " ".join(f"{each:.2f}" for each in ratio.runs)
        bar, is_kept = bars.get(name, ("", lambda _: ""))
        figures = [of.get(CEILING.label), of["other"], of["this"], ratio]
        rows.append([words, *figures, turns, bar, is_kept(ratio.median)])
    head = [title, "ceiling", "other", "this", "this to other", "turn by turn", "bar", "kept"]
    return table(head, rows)
