"""PgBouncer before a server: many client connections share few server connections."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.support.postgres.data import PASSWORD
from tests.support.postgres.install import give, make_folder, spawn
from tests.support.postgres.server import Server, find_port
from tests.support.service import WAIT_SECONDS, wait_until

CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server_port} user=webhook password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = {pool_mode}
default_pool_size = {pool_size}
max_client_conn = 1000
server_login_retry = 1
"""


def find_pgbouncer() -> str | None:
    """The program. Debian installs it in /usr/sbin, which is on root's PATH only."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


class PgBouncer:
    """Gives a server connection to a client for one transaction, or as `pool_mode` says.

    It listens on a port of 127.0.0.1 inside its context. A test that makes one is skipped where
    there is no such program.
    """

    def __init__(self, server: Server, pool_mode: str = "transaction", pool_size: int = 10) -> None:
        program = find_pgbouncer()
        if program is None:
            pytest.skip("there is no pgbouncer (apt-get install pgbouncer)")
        self.port = find_port()
        self._program = program
        self._folder = make_folder()
        give(self._folder)
        self._write("users", f'"webhook" "{PASSWORD}"\n')
        text = CONFIGURATION.format(
            server_port=server.port,
            password=PASSWORD,
            port=self.port,
            folder=self._folder,
            pool_mode=pool_mode,
            pool_size=pool_size,
        )
        self._write("pgbouncer.ini", text)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(WAIT_SECONDS)
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Return when it accepts connections."""
        with (self._folder / "log").open("ab") as log:
            command = [self._program, str(self._folder / "pgbouncer.ini")]
            self._process = spawn(command, subprocess.DEVNULL, log)
        wait_until(self._listens)

    def kill(self) -> None:
        """End it at once, with all of its connections."""
        self._process.kill()
        self._process.wait(WAIT_SECONDS)

    def url(self, database: str) -> str:
        return f"postgresql://webhook:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def _write(self, name: str, text: str) -> None:
        file: Path = self._folder / name
        file.write_text(text)
        file.chmod(0o644)
