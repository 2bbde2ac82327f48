"""`just bench`: durable webhooks a second, against what the same server answers without storing.

Runs the service and the ceiling in turns, so that a machine whose speed drifts drifts for both;
quotes medians, and the least and the most. Only the ratio can be compared between machines.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from service.store.sqlite_connection import describe_driver
from tests.bench.load import Result, find_wrk, run_wrk, write_requests
from tests.bench.targets import CEILING, PORT, SERVICE, Target, running

MESSAGES = 300_000
"""More than a run can send: a message that comes twice costs less."""

MEMORY_MESSAGES = 200_000
LIBRARIES = ("uvicorn", "uvloop", "httptools", "starlette", "msgspec", "aiosqlite")


def main() -> None:
    """Measure, print a table, and write all of it as JSON where that is asked for."""
    options = _options()
    find_wrk()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        requests = Path(folder) / "requests"
        write_requests(requests, MESSAGES)
        report = _measure(requests, options)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--seconds", type=int, default=6, help="length of a run (6)")
    parser.add_argument("--connections", type=int, default=128, help="kept open (128)")
    parser.add_argument("--json", type=Path, help="also write what was measured to this file")
    return parser.parse_args()


def _measure(requests: Path, options: argparse.Namespace) -> dict[str, Any]:
    console = Console(stderr=True)
    runs: dict[str, list[dict[str, float]]] = {CEILING.name: [], SERVICE.name: []}
    for pair in range(options.pairs):
        for target in (CEILING, SERVICE):
            console.print(f"run {pair + 1} of {options.pairs}: {target.name}")
            runs[target.name].append(_run(target, requests, options))
    console.print(f"memory after {MEMORY_MESSAGES:,} messages")
    return {
        "machine": _machine(),
        "command": f"just bench --pairs {options.pairs} --seconds {options.seconds}"
        f" --connections {options.connections}",
        "runs": runs,
        "ratios": [
            service["requests_per_second"] / ceiling["requests_per_second"]
            for service, ceiling in zip(runs[SERVICE.name], runs[CEILING.name], strict=True)
        ],
        "memory_mebibytes": _memory(requests, options.connections),
    }


def _run(target: Target, requests: Path, options: argparse.Namespace) -> dict[str, float]:
    with running(target) as server:
        result = run_wrk(requests, PORT, options.connections, options.seconds)
        _refuse_errors(target, result)
        return {
            "requests_per_second": result.requests_per_second,
            "p50_ms": result.p50_ms,
            "p99_ms": result.p99_ms,
            "max_ms": result.max_ms,
            "cpu_us_per_request": server.cpu_seconds() / result.requests * 1e6,
            "start_ms": server.start_seconds * 1000,
        }


def _memory(requests: Path, connections: int) -> float:
    with running(SERVICE) as server:
        sent = 0
        while sent < MEMORY_MESSAGES:
            result = run_wrk(requests, PORT, connections, 3, skipped=sent)
            _refuse_errors(SERVICE, result)
            sent += result.requests
        return server.resident_mebibytes()


def _refuse_errors(target: Target, result: Result) -> None:
    if result.errors:
        raise SystemExit(f"{result.errors} answers of the {target.name} were not 200: no figure")


def _machine() -> dict[str, str]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "database": describe_driver(),
        **{library: version(library) for library in LIBRARIES},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _show(report: dict[str, Any]) -> None:
    table = Table("", CEILING.name, SERVICE.name, title=report["command"])
    rows = {
        "webhooks/s": ("requests_per_second", 0),
        "p50, ms": ("p50_ms", 1),
        "p99, ms": ("p99_ms", 1),
        "slowest, ms": ("max_ms", 0),
        "CPU a webhook, µs": ("cpu_us_per_request", 0),
        "start to ready, ms": ("start_ms", 0),
    }
    for label, (field, digits) in rows.items():
        cells = [
            _spread([run[field] for run in report["runs"][name]], digits)
            for name in (CEILING.name, SERVICE.name)
        ]
        table.add_row(label, *cells)
    table.add_row(f"memory after {MEMORY_MESSAGES:,}, MiB", "", f"{report['memory_mebibytes']:.0f}")
    table.add_row("ratio to the ceiling", "1", _spread(report["ratios"], 2))
    console = Console()
    console.print(table)
    console.print("median (least to most);", ", ".join(report["machine"].values()))


def _spread(values: Sequence[float], digits: int) -> str:
    median, least, most = statistics.median(values), min(values), max(values)
    return f"{median:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


if __name__ == "__main__":
    main()
