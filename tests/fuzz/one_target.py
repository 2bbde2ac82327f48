"""Fuzz one target until the time is over: `python -m tests.fuzz.one_target TARGET SECONDS FOLDER`.

libFuzzer ends the process. If the target failed, the exit code is not 0 and FOLDER has the input.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["service"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, seconds: str, folder: str) -> None:
    """Start from the target's seeds."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(TARGETS[name].seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/{name}-"]
        atheris.Setup([sys.argv[0], *options, corpus], TARGETS[name].run)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
