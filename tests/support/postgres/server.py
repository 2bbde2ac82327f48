"""A PostgreSQL server that the tests start."""

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import psutil

from tests.support.postgres.data import PASSWORD, copy_data
from tests.support.postgres.databases import Databases
from tests.support.postgres.install import (
    Install,
    find_install,
    give,
    is_reachable,
    make_folder,
    spawn,
)
from tests.support.service import wait_until

__all__ = ["Install", "Server", "find_install"]

START_SECONDS = 60
STOP_SECONDS = 60
PORTS = range(20_000, 32_000)
"""Below the system's range for client connections, so a stopped server gets its port again."""

SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""The ways to stop (https://www.postgresql.org/docs/current/server-shutdown.html)."""

# Each line names the server's processes, the first one first. The input ends when the process that
# started them ends; then the guard ends them.
GUARD = """
while read -r line; do pids=$line; done
kill -CONT $pids
kill -QUIT ${pids%% *}
sleep 1
rm -rf "$1"
"""


class Server(Databases):
    """A data folder, and its processes while it is started.

    It listens on a port of 127.0.0.1, which stays the same, and on a Unix socket. The role
    `postgres` may do everything; `webhook`, with a password, owns the databases that are created.
    As a context manager it runs inside and is removed after. It is also
    removed when the process that made it ends, in any way.
    """

    def __init__(
        self, folder: Path | None, install: Install, settings: Mapping[str, str] | None = None
    ) -> None:
        """`folder` has the data and the log; a temporary folder if it is None.

        The data is in a temporary folder also if PostgreSQL's user can't reach `folder`, as is the
        case with pytest's folders when root runs it. `settings` are PostgreSQL's; they may be
        changed before a start.
        """
        self.install = install
        self.settings = dict(settings or {})
        self.port = find_port()
        self.socket_folder = make_folder()
        give(self.socket_folder)
        folder = folder or self.socket_folder
        folder.mkdir(parents=True, exist_ok=True)
        self.data = (folder if is_reachable(folder / "data") else self.socket_folder) / "data"
        self.log_file = folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = spawn(
            ["/bin/sh", "-c", GUARD, "sh", self.socket_folder],
            subprocess.PIPE,
            subprocess.DEVNULL,
        )
        super().__init__(self._url("postgres", "postgres"), owner="webhook")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the server's first process; the server must be started."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        return self._url("webhook", database)

    def socket_url(self, database: str) -> str:
        """The URL of a database through the Unix socket."""
        return (
            f"postgresql://webhook:{PASSWORD}@/{database}"
            f"?host={self.socket_folder}&port={self.port}"
        )

    def start(self) -> None:
        """Return when it accepts connections; raises RuntimeError with its log if it does not."""
        if not self.data.exists():
            copy_data(self.install, self.data)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_folder),
        } | self.settings
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(self.install.program("postgres")), "-D", str(self.data), *options]
        with self.log_file.open("ab") as log:
            self._process = process = spawn(command, subprocess.DEVNULL, log)
        self._tell_guard([self.pid])
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log_file.read_text()}")
            time.sleep(0.005)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: "fast" writes a checkpoint, and a start after "immediate" has to recover."""
        if self._process is not None:
            self._process.send_signal(SIGNALS[mode])
            self._process.wait(STOP_SECONDS)
            self._forget()

    def kill(self) -> None:
        """Kill all of its processes at once. Unlike a power loss, it keeps what was written."""
        if self._process is not None and self._process.poll() is None:
            family = self._signal_all(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            wait_until(lambda: all(map(has_ended, family)))
        self._forget()

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """Stop all of its processes: connections stay, and get no answer."""
        frozen = self._signal_all(signal.SIGSTOP)
        self._tell_guard([process.pid for process in frozen])

    def thaw(self) -> None:
        """Continue after `freeze`."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Stop it and remove its data; the log stays in the given folder."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.stop("immediate")  # a killed one would leave shared memory
        self._guard.kill()
        self._guard.communicate()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        """Read the process and its state in lines 1 and 8, as pg_ctl does."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return lines[:1] == [str(self.pid)] and lines[7:] == ["ready   "]
        return False

    def _signal_all(self, number: int) -> list[psutil.Process]:
        """Send a signal to all processes. The first one stops before, so that it forks no more."""
        first = psutil.Process(self.pid)
        first.send_signal(signal.SIGSTOP)
        family = [first, *first.children(recursive=True)]
        for process in reversed(family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return family

    def _forget(self) -> None:
        """Forget the processes: they have ended, and other processes may get their ids."""
        self._process = None
        self._tell_guard([])

    def _tell_guard(self, pids: list[int]) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{' '.join(map(str, pids))}\n".encode())
        self._guard.stdin.flush()

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


def has_ended(process: psutil.Process) -> bool:
    """Whether it has ended, also while its exit code is not collected."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def find_port() -> int:
    """A free port of 127.0.0.1."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
