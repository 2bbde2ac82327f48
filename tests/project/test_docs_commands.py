"""The commands of the pages are there, and every recipe of the justfile is in a page."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.__main__ import COMMANDS
from tests.support.markdown import PAGES, read
from tests.support.processes import clean_environment
from tests.support.service import ROOT


def listed_recipes() -> dict[str, str]:
    """Every recipe that `just` lists, and the line above it."""
    found = {}
    above = ""
    for line in read("justfile").splitlines():
        match = re.match(r"@?([a-z][a-z0-9_-]*)( [^:]*)?:(?!=)", line)
        if match and above != "[private]":
            found[match[1]] = above
        above = line
    return found


def words_after(command: str, page: str) -> set[str]:
    """The words that stand after a command in a page's code."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", read(page), re.DOTALL))
    return set(re.findall(rf"(?<![./\w-]){command} ([a-z][a-z-]*)", code))


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_there(page: str) -> None:
    private = {"compose"}  # docs/postgresql.md calls it to move between containers
    assert words_after("just", page) <= listed_recipes().keys() | private
    assert words_after("python -m service", page) <= COMMANDS.keys()


def test_every_recipe_is_documented() -> None:
    assert listed_recipes().keys() <= set().union(*(words_after("just", page) for page in PAGES))


def test_every_listed_recipe_says_what_it_does() -> None:
    for name, above in listed_recipes().items():
        assert above.startswith("# "), name


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "8001"}, "http://127.0.0.1:8001"),
        ({"HOST": "192.0.2.1"}, "http://192.0.2.1:8000"),
        ({"HOST": "::1"}, "http://[::1]:8000"),
    ],
    ids=str,
)
def test_run_shows_addresses_that_it_listens_on(
    tmp_path: Path, variables: dict[str, str], base: str
) -> None:
    just = shutil.which("just")
    if just is None:
        pytest.skip("there is no just on the PATH")
    for name in ("justfile", "pyproject.toml", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    python = tmp_path / ".venv" / "bin" / "python"  # does all but serve
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$*" = "-m service" ] || exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    project = (ROOT / "pyproject.toml").read_text()
    (tmp_path / ".venv" / "installed").write_text(f"{tmp_path}\n{project}")
    shutil.copy(ROOT / "requirements" / "service.txt", tmp_path / ".venv" / "installed-service")
    done = subprocess.run(
        [just, "run"],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT), **variables),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = re.findall(r"http://[\w.:\[\]]+[\w]", done.stderr)
    assert (len(shown), set(shown)) == (6, {base})
