"""A PostgreSQL server of the tests' own."""

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
"""Below those the system gives to connections, so that a stopped server gets its port again."""

SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""The ways to stop (https://www.postgresql.org/docs/current/server-shutdown.html)."""

# Each line it reads names the processes, the first one first; what it does with them, it does
# once whoever started them is no more.
GUARD = """
while read -r line; do pids=$line; done
kill -CONT $pids
kill -QUIT ${pids%% *}
sleep 1
rm -rf "$1"
"""


class Server(Databases):
    """A data folder, and while it is started the processes that serve it.

    It listens on a port of 127.0.0.1, which stays the same, and on a Unix socket. The role
    `postgres` may do everything; `webhook`, with a password, owns the databases that are created.
    Used as a context manager it is started inside, and gone behind. When the process that made it
    ends, in whatever way, it is gone as well.
    """

    def __init__(
        self, folder: Path | None, install: Install, settings: Mapping[str, str] | None = None
    ) -> None:
        """Data and log are in `folder`; in a temporary one where it is None.

        So is the data where PostgreSQL's user can't reach `folder`, as is the case with pytest's
        own when root runs it. `settings` are PostgreSQL's; they may be changed before a start.
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
        """Of the process all others descend from; the server must have been started."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        return self._url("webhook", database)

    def socket_url(self, database: str) -> str:
        """The URL of a database by way of the Unix socket."""
        return (
            f"postgresql://webhook:{PASSWORD}@/{database}"
            f"?host={self.socket_folder}&port={self.port}"
        )

    def start(self) -> None:
        """Return when it takes connections; raises RuntimeError with its log where it doesn't."""
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
        """Have it end: "fast" writes a checkpoint, after "immediate" a start has to recover."""
        if self._process is not None:
            self._process.send_signal(SIGNALS[mode])
            self._process.wait(STOP_SECONDS)
            self._forget()

    def kill(self) -> None:
        """End all of its processes at once, as a loss of power does; what was written stays."""
        if self._process is not None and self._process.poll() is None:
            family = self._signal_all(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            wait_until(lambda: all(map(has_ended, family)))
        self._forget()

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """Stop the clocks of all of its processes: connections stay, and nobody answers."""
        frozen = self._signal_all(signal.SIGSTOP)
        self._tell_guard([process.pid for process in frozen])

    def thaw(self) -> None:
        """Let it go on where it was frozen."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its data; the log stays in the folder that was given."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.stop("immediate")  # killed, it would leave shared memory behind
        self._guard.kill()
        self._guard.communicate()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        """Read what pg_ctl reads: the process and its state, in lines 1 and 8."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return lines[:1] == [str(self.pid)] and lines[7:] == ["ready   "]
        return False

    def _signal_all(self, number: int) -> list[psutil.Process]:
        """Send a signal to all processes. The first one is stopped first, so as to fork no more."""
        first = psutil.Process(self.pid)
        first.send_signal(signal.SIGSTOP)
        family = [first, *first.children(recursive=True)]
        for process in reversed(family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return family

    def _forget(self) -> None:
        """The processes have ended, and others may get their numbers."""
        self._process = None
        self._tell_guard([])

    def _tell_guard(self, pids: list[int]) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{' '.join(map(str, pids))}\n".encode())
        self._guard.stdin.flush()

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


def has_ended(process: psutil.Process) -> bool:
    """Tell whether it runs no more, though nobody may have asked for its exit code yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def find_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
