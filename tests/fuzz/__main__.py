"""`just fuzz`: fuzz each target for some time with atheris."""

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"
"""Inputs for which a target failed. The tests try all of them."""


def main() -> None:
    """Fuzz the named targets, or all. Exit with 1 if one of them fails."""
    parser = argparse.ArgumentParser(prog="just fuzz", description="Fuzz each target for a time.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=600, help="for each target (%(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"there is no {', '.join(sorted(unknown))}, only {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed; it has wheels only for Linux on x86-64")
    print("target                    inputs       seconds  inputs/s")
    results = [fuzz(name, arguments.seconds) for name in arguments.targets or TARGETS]
    sys.exit(not all(results))


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target in its own process and print the result. Returns False if it failed."""
    command = ["-m", "tests.fuzz.one_target", name, str(seconds), str(FOUND)]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, errors="replace", check=False
    )
    match = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
    if done.returncode or match is None:
        print(f"{name}: failed\n{done.stdout}{done.stderr}", flush=True)
        return False
    inputs, taken = int(match[1]), int(match[2])
    print(f"{name:25} {inputs:<12,} {taken:<8} {inputs // taken:,}", flush=True)
    return True


if __name__ == "__main__":
    main()
