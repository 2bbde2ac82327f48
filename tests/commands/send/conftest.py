"""The environment and the server of the tests of `python -m service send`."""

import threading
from collections.abc import Iterator

import pytest

from tests.commands.send.receiver import SECRET, Receiver


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEBHOOK_SECRET_FILE", "READ_TOKEN", "READ_TOKEN_FILE", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()
        thread.join()
