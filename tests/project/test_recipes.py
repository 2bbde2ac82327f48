"""How the recipes of the justfile keep .venv up to date; a script stands in for Python and pip."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.service import ROOT

PYTHON = """#!/bin/sh
echo "$*" >>calls
case "$*" in
    "-m venv --clear .venv") rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"${FAILS:-nothing}"*) exit 1 ;;
    *"${STOPS:-nothing}"*) kill -INT $PPID; exit 1 ;;
esac
"""

INSTALLATIONS = re.compile(r"-m (venv)|install .*--requirement requirements/(\w+)|(--editable)")


class Checkout:
    """A copy of the justfile and of the files that it installs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "requirements", folder / "requirements")
        for name in ("justfile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        (folder / "python").write_text(PYTHON)
        (folder / "python").chmod(0o755)

    def run(self, recipe: str, code: int = 0, **variables: str) -> list[str]:
        """Run `just` and return what it made: venv, --editable (the project), names of lock files.

        A command with the words FAILS fails, and one with the words STOPS is interrupted.
        """
        calls = self.folder / "calls"
        calls.write_text("")
        environment = os.environ | {"PYTHON": str(self.folder / "python")} | variables
        done = subprocess.run(["just", recipe], cwd=self.folder, env=environment, check=False)
        assert done.returncode == code
        return [made[made.lastindex or 0] for made in INSTALLATIONS.finditer(calls.read_text())]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    if shutil.which("just") is None:
        pytest.skip("there is no just on the PATH")
    folder = tmp_path / "checkout"
    folder.mkdir()
    return Checkout(folder)


SERVES = ["venv", "--editable", "service"]


def test_each_recipe_installs_what_it_needs_once(checkout: Checkout) -> None:
    assert checkout.run("migrate") == SERVES
    assert checkout.run("send") == ["send"]
    assert checkout.run("test") == ["test", "servers"]
    assert checkout.run("fuzz") == ["fuzz"]
    for recipe in ("migrate", "test", "send", "fuzz", "import", "export"):
        assert checkout.run(recipe) == [], recipe


def test_a_change_is_installed(checkout: Checkout) -> None:
    checkout.run("send")
    checkout.run("migrate")
    with (checkout.folder / "requirements" / "send.txt").open("a") as file:
        file.write("another==1\n")
    assert checkout.run("migrate") == []
    assert checkout.run("send") == ["send"]
    with (checkout.folder / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert checkout.run("migrate") == ["--editable"]


def test_after_an_interruption_the_environment_is_made_again(checkout: Checkout) -> None:
    checkout.run("migrate", STOPS="--editable", code=130)
    assert checkout.run("migrate") == SERVES
    checkout.run("send", STOPS="requirements/send.txt", code=130)
    assert checkout.run("migrate") == SERVES


def test_a_failed_installation_is_repeated_and_spoils_nothing(checkout: Checkout) -> None:
    """Such as one without a network."""
    checkout.run("migrate")
    checkout.run("test", FAILS="requirements/test.txt", code=1)
    assert checkout.run("migrate") == []
    assert checkout.run("test") == ["test", "servers"]


def test_a_folder_that_was_moved_gets_a_new_environment(checkout: Checkout) -> None:
    checkout.run("migrate")
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert checkout.run("migrate") == SERVES


def test_a_python_that_was_removed_is_replaced(checkout: Checkout) -> None:
    checkout.run("migrate")
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    assert checkout.run("migrate") == SERVES


def test_a_machine_without_the_servers_can_test(checkout: Checkout) -> None:
    made = checkout.run("test", FAILS="requirements/servers.txt")
    assert made == ["venv", "--editable", "send", "test", "servers"]
    assert checkout.run("test") == []
