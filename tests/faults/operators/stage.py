"""One database, the services that run on it one after the other, and the hands of an operator."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.store.sqlite.connection import driver
from tests.faults.ledger import Act, Ledger
from tests.faults.load import Load
from tests.faults.recovery import find_short_lists, list_all
from tests.faults.stored import is_indexed
from tests.support.processes import NO_TLS, ServiceProcess, free_port, run_service
from tests.support.service import ROOT, wait_until

SENDERS = 4
PAUSE_SECONDS = 0.02
"""Of a sender, between two messages: a history has some hundred."""

PAUSES_SECONDS = (0.05, 0.3)
"""Between two acts of the operator, at random."""


class Stage:
    """Senders deliver inside the `with` of its load, whether a service listens or not."""

    def __init__(self, folder: Path, seed: int, source: Path = ROOT) -> None:
        """`folder` exists and is empty; `seed` decides the history, `source` has the service."""
        self.chance = random.Random(f"operator {seed}")
        self.data = folder / "data"
        self.data.mkdir()
        self.database = self.data / "app.db"
        self.backup = folder / "backup.db"
        self.saved: set[str] = set()
        """The ids in the backup."""
        self.complaints: list[str] = []
        self.story: list[str] = []
        """What was done, in a few words each."""
        port = free_port()
        self.load = Load([int(port)], SENDERS, f"m{seed}", PAUSE_SECONDS)
        self.ledger = Ledger(self.load)
        self.environment = {"DATABASE_URL": f"sqlite:///{self.database}", "PORT": port}
        self._folder = folder
        self._source = source

    # The service

    def start(self) -> str:
        """Start the service; gives what it says if it refuses."""
        self.service = ServiceProcess(self._folder, self.environment, source=self._source)
        try:
            self.service.__enter__()
        except AssertionError:
            self._expect_end(self.service.wait(), 1)
            return self.service.errors
        return ""

    def end(self) -> None:
        """Kill it or stop it, at random."""
        self.story.append(self.chance.choice(["kill", "stop"]))
        if self.story[-1] == "stop":
            self._expect_end(self.service.stop(), 0)
        else:
            self.service.process.kill()
            self.service.wait()

    def _expect_end(self, code: int, wanted: int) -> None:
        """With code 1 it says why, in one line."""
        if code != wanted or self.service.errors.count("\n") != wanted:
            self.complaints.append(f"it ends with the code {code} and says {self.service.errors}")

    def expect(self, what: str, holds: bool) -> None:
        if not holds:
            self.complaints.append(what)

    def is_ready(self) -> bool:
        return self.service.get("/health/ready").status_code == 200

    def wait_for_probe(self, status: int, reason: str = "") -> None:
        """Wait until the probe answers so."""

        def answers() -> bool:
            answer = self.service.get("/health/ready")
            return answer.status_code == status and reason in answer.text

        wait_until(answers)

    def look(self) -> None:
        """Read while the senders deliver: what must be there is listed once."""
        required = self.ledger.required()
        with httpx.Client(base_url=self.service.url, verify=NO_TLS) as client:
            counts = Counter(each["message_id"] for each in list_all(client))
        self.expect("a walk under load misses messages", required <= counts.keys())
        self.expect("a walk under load gives messages twice", set(counts.values()) <= {1})

    def look_at_lists(self) -> None:
        """Once the load has ended, the lists are complete and agree, whatever the counts say."""
        promise = self.ledger.promise()
        with httpx.Client(base_url=self.service.url, verify=NO_TLS) as client:
            listed = list_all(client)
            self.complaints += find_short_lists(client, listed)
        ids = {each["message_id"] for each in listed}
        self.expect("the list misses messages", ids >= set(promise.acknowledged))
        self.expect("the list has what was deleted", ids <= promise.sent.keys())
        self.expect("the list has messages twice", len(ids) == len(listed))

    def settle(self) -> None:
        """After the load: the index follows by itself, and the counts once they are made again."""
        self.wait_for_probe(200)
        self.look_at_lists()
        wait_until(lambda: is_indexed(self.database))
        self.look_at_lists()
        if self.ledger.has_deletions and self.chance.random() < 0.5:
            self.run("reindex")
        self.end()
        if self.ledger.has_deletions and "reindex" not in self.story:
            self.run("reindex")

    # The operator

    def pause(self) -> None:
        """Let the senders deliver for a while."""
        time.sleep(self.chance.uniform(*PAUSES_SECONDS))

    @contextmanager
    def acting(self, what: str) -> Iterator[list[Act]]:
        """The operator acts inside; behind it the list has the act."""
        self.story.append(what)
        acts: list[Act] = []
        began_at = time.monotonic()
        yield acts
        acts.append(Act(began_at, time.monotonic()))

    def connect(self) -> Any:
        """As the SQLite shell does."""
        return driver.connect(self.database, isolation_level=None, timeout=10)

    def delete(self, where: str, repeated_count: int) -> None:
        """Delete rows by SQL. The senders repeat some of them at the same time, or later."""
        with ThreadPoolExecutor(4) as senders:
            with self.acting(f"DELETE {where}") as acts, closing(self.connect()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                sql = f"DELETE FROM messages WHERE {where} RETURNING message_id"  # noqa: S608
                ids = [row[0] for row in connection.execute(sql).fetchall()]
                sent = self.load.sent
                known = [each for each in ids if each in sent]
                chosen = self.chance.sample(known, min(repeated_count, len(known)))
                for each in chosen:
                    if self.chance.random() < 0.5:
                        senders.submit(self.load.repeat, sent[each])
                time.sleep(self.chance.choice([0, 0.05]))
                connection.execute("COMMIT")
            self.ledger.delete(ids, acts[0])
            time.sleep(self.chance.choice([0, 0.1, 0.6]))
            list(senders.map(self.load.repeat, [sent[each] for each in chosen]))

    def back_up(self) -> None:
        """As docs/operations.md says, or page by page as the shell's .backup does."""
        with self.acting("backup"), closing(self.connect()) as connection:
            if self.chance.random() < 0.5:
                connection.execute(f"VACUUM INTO '{self.backup}'")
            else:
                with closing(driver.connect(self.backup)) as target:
                    connection.backup(target)
        uri = f"{self.backup.as_uri()}?immutable=1"
        with closing(driver.connect(uri, uri=True)) as connection:
            rows = connection.execute("SELECT message_id FROM messages").fetchall()
        self.saved = {row[0] for row in rows}

    def remove_beside(self) -> None:
        """Remove what lies beside the database, as docs/operations.md says."""
        for file in self.data.glob("app.db?*"):
            file.unlink()

    def run(self, command: str) -> None:
        """Run a sub-command of the service, which must succeed."""
        self.story.append(command)
        done = run_service([command], self.environment, self._source)
        self.expect(f"{command} fails: {done.stderr}", done.returncode == 0)
