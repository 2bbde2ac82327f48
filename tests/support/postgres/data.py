"""The data folders of servers. All are copies of one: a copy is four times as fast as initdb."""

import atexit
import functools
import os
import subprocess
from pathlib import Path

from tests.support.postgres.install import Install, give, make_folder, run, spawn

PASSWORD = "the-password-of-the-tests"
"""The password of the roles `postgres` and `webhook`."""


def copy_data(install: Install, data: Path) -> None:
    """Make a data folder with both roles. Its locale knows all scripts, and sorts text by bytes."""
    data.mkdir()
    give(data)
    run(["cp", "-R", f"{_make_template(install)}/.", data])


@functools.cache
def _make_template(install: Install) -> Path:
    folder = make_folder()
    give(folder)
    # This process removes the folder when the tests end, also when they are killed.
    remover = ["/bin/sh", "-c", 'read -r _; rm -rf "$1"', "sh", str(folder)]
    atexit.register(spawn(remover, subprocess.PIPE, subprocess.DEVNULL).communicate)
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    data = folder / "data"
    # The builtin provider defines which characters are letters. pg_trgm of PostgreSQL 17 asks the
    # system's locale instead.
    locale = "C.UTF-8" if os.uname().sysname == "Linux" else "en_US.UTF-8"
    initdb: list[str | Path] = [
        install.program("initdb"), "--pgdata", data, "--username", "postgres",
        "--pwfile", password, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", locale,
        "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync",
    ]  # fmt: skip
    run(initdb)
    role = f"CREATE ROLE webhook LOGIN PASSWORD '{PASSWORD}'"
    run([install.program("postgres"), "--single", "-D", data, "postgres"], role)
    return data
