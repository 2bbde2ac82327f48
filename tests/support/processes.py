"""The service as a process of its own."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from service.settings import VARIABLES
from service.source_settings import PREFIX
from tests.support.service import (
    ROOT,
    SECRET,
    WAIT_SECONDS,
    Json,
    encode,
    parse_lines,
    signed,
    wait_until,
)

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used; without it, each httpx client would first load every certificate there is."""


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment, with no variable of the service but these."""
    names = {name + suffix for name in VARIABLES for suffix in ("", "_FILE")}
    others = {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith(PREFIX)
    }
    return others | variables


class ServiceProcess:
    """`python -m service` with a database of its own, on a port of its own.

    Used as a context manager it listens inside, and has ended behind; what it wrote stays.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        prefix: Sequence[str] = (),
        stdout: int = subprocess.PIPE,
        source: Path = ROOT,
    ) -> None:
        """`prefix` is a command that runs the one behind it; `stdout` is read where it is PIPE.

        `source` is the folder whose `service` runs.
        """
        self.database = folder / "app.db"
        variables = {
            "DATABASE_URL": f"sqlite:///{self.database}",
            "WEBHOOK_SECRET": SECRET,
            "PORT": "0",
        } | dict(environment)
        self._condition = threading.Condition()
        self._output = b""
        self._wanted_port = int(variables["PORT"])
        self._errors_file = folder / "stderr"
        with self._errors_file.open("wb") as errors:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-W", "error", "-m", "service"],
                cwd=source,
                env=clean_environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            self.port = self._wait_for_port()
        except BaseException:
            self.process.kill()
            raise
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def _wait_for_port(self) -> int:
        if not self._wanted_port:
            return int(self.wait_for_line("listening")["port"])
        self.port = self._wanted_port
        wait_until(self._listens)
        return self.port

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.wait()
        finally:
            self.process.kill()

    def wait(self) -> int:
        """The exit code, once the process has ended and its output is read."""
        code = self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.wait()

    @property
    def output(self) -> bytes:
        return self._output

    @property
    def errors(self) -> str:
        """What stands on standard error."""
        return self._errors_file.read_text()

    def log_lines(self, event: str = "request") -> list[Json]:
        """The lines of one kind that the process has logged so far."""
        whole = self._output[: self._output.rfind(b"\n") + 1]
        return [line for line in parse_lines(whole) if line["event"] == event]

    def wait_for_line(self, event: str, holds: Callable[[Json], bool] = bool) -> Json:
        """The first line of one kind for which `holds`; the process must not end before it."""

        def find() -> Json | None:
            return next(filter(holds, self.log_lines(event)), None)

        with self._condition:
            self._condition.wait_for(
                lambda: find() or not self._reader.is_alive(), timeout=WAIT_SECONDS
            )
        found = find()
        assert found is not None, f"no {event} line\n{self._output.decode()}\n{self.errors}"
        return found

    def deliver(self, content: Json) -> httpx.Response:
        body = encode(content)
        return self.request("POST", "/webhook", content=body, headers=signed(body))

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request on a connection of its own."""
        return httpx.request(method, self.url + path, verify=NO_TLS, **arguments)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.errors
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._condition:
                self._output += line
                self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()


def run_service(
    arguments: Sequence[str], environment: Mapping[str, str], source: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """A sub-command of the service, to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", *arguments],
        cwd=source,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )


@contextlib.contextmanager
def serving(folder: Path, **environment: str) -> Iterator[ServiceProcess]:
    """A process of the service, which says nothing on standard error and ends with the code 0."""
    with ServiceProcess(folder, environment) as process:
        yield process
        assert process.stop() == 0
        assert process.errors == ""


def free_port() -> str:
    """A port that was free a moment ago: what the process chooses, only its log would tell."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])
