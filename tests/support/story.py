"""One service through several lives of its process, and what it must have stored."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import httpx

from service.messages.instants import parse_instant
from service.store.sqlite.connection import driver
from tests.support.event_model import GITHUB_SECRET, Kept, SentEvent
from tests.support.kinds import empty_database, environment_of
from tests.support.model import Model, show, show_stats
from tests.support.postgres.databases import connected, wait_for_backends
from tests.support.processes import NO_TLS, ServiceProcess, clean_environment
from tests.support.service import ROOT, SECRET, Json, encode, signed, wait_until
from tests.support.strategies import Sent


class Story:
    """Delivers, erases, ends and starts again; knows what a reader must find."""

    def __init__(self, kind: str) -> None:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._url = self._stack.enter_context(empty_database(kind, self._folder))
        self._pool = self._stack.enter_context(ThreadPoolExecutor(6))
        self._environment = environment_of(self._url) | {"SOURCE_GITHUB_SECRET": GITHUB_SECRET}
        self.accepted: list[Sent] = []
        self.kept: dict[tuple[str, str], Kept] = {}
        """The events, by source and id."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """Of this life: by source, and result or `conflict`."""
        self.is_counted = True
        """False from an erasure until the next reindex."""
        self.lives = 0
        self.start()

    def close(self) -> None:
        """End the last life, whatever became of it."""
        try:
            self.end(signal.SIGTERM)
        finally:
            self._process.process.kill()
            self._stack.close()

    @property
    def model(self) -> Model:
        return Model.of(message.row() for message in self.accepted)

    @property
    def events(self) -> Sequence[Kept]:
        return list(self.kept.values())

    # Lives

    def start(self) -> None:
        self._process = ServiceProcess(self._folder, self._environment).__enter__()
        self.client = httpx.Client(base_url=self._process.url, verify=NO_TLS)
        self.counts.clear()
        self.lives += 1

    def end(self, number: signal.Signals, deliveries: Iterable[Future[int]] = ()) -> None:
        """End the process. `deliveries` may be under way, or not even have begun."""
        code = self._process.stop(number)
        wait(deliveries)
        self.client.close()
        assert code == (0 if number is signal.SIGTERM else -number)
        assert self._process.errors == ""
        assert b'"ERROR"' not in self._process.output
        for secret in (SECRET, GITHUB_SECRET):
            assert secret.encode() not in self._process.output
        if self._url.startswith("postgresql"):
            # A server goes on with what a killed client has sent.
            wait_for_backends(self._url)

    def kill_under(self, group: Sequence[Sent | SentEvent], answers: int) -> None:
        """Kill while `group` is delivered, after so many answers; then find out what is stored."""
        deliveries = [self._pool.submit(self._deliver, each) for each in group]
        wait(deliveries[:answers])
        self.end(signal.SIGKILL, deliveries)
        self.start()
        found = self.export()
        for each, delivery in zip(group, deliveries, strict=True):
            if isinstance(each, SentEvent):
                if is_acknowledged(delivery) or self._has(each):
                    self._keep("github", each.event_id, each.type, each.body)
            elif is_acknowledged(delivery) or each.message_id in found:
                self.accepted.append(each)

    # Senders

    def deliver_all(self, group: Sequence[Sent]) -> None:
        """At once; they are of different ids, or all the same."""
        assert list(self._pool.map(self._deliver, group)) == [200] * len(group)
        for message in group:
            first = {row.message_id: row for row in self.model.rows}.get(message.message_id)
            self.counts["webhook", "created" if first is None else "duplicate"] += 1
            self.counts["webhook", "conflict"] += first not in (None, message.row())
            self.accepted.append(message)

    def deliver_events(self, group: Sequence[SentEvent]) -> None:
        """The same for events."""
        before = time.time()
        assert list(self._pool.map(self._deliver, group)) == [200] * len(group)
        for event in group:
            first = self.kept.get(("github", event.event_id))
            self.counts["github", "created" if first is None else "duplicate"] += 1
            self.counts["webhook", "conflict"] += first is not None and first.body != event.body
            kept = self._keep("github", event.event_id, event.type, event.body)
            if first is None:
                assert before - 0.001 <= kept.received_at / 1_000_000 <= time.time()

    def refuse(self, path: str, body: bytes, headers: dict[str, str], status: int) -> None:
        """Deliver what is answered with this status. A body that was signed is kept."""
        answer = self.client.post(path, content=body, headers=headers)
        assert answer.status_code == status
        source = path.rpartition("/")[2]
        self.counts[source, "invalid_signature" if status == 401 else "validation_error"] += 1
        if status == 422:
            self._keep(source, sha256(body).hexdigest(), None, body, has_problem=True)

    def _deliver(self, each: Sent | SentEvent) -> int:
        if isinstance(each, SentEvent):
            path, body, headers = "/webhook/github", each.body, each.headers()
        else:
            path, body = "/webhook", encode(each.content())
            headers = signed(body)
        return self.client.post(path, content=body, headers=headers).status_code

    def _has(self, event: SentEvent) -> bool:
        path = f"/events/github/{quote(event.event_id, safe='')}"
        return self.client.get(path).status_code == 200

    def _keep(
        self, source: str, event_id: str, kind: str | None, body: bytes, has_problem: bool = False
    ) -> Kept:
        """The first one stays. Only the service knows when it came."""
        kept = Kept(0, source, event_id, kind, body, has_problem)
        received_at = parse_instant(self.get(kept.path)["received_at"])
        return self.kept.setdefault((source, event_id), kept._replace(received_at=received_at))

    # Operators

    def erase(self, statement: str, value: str) -> None:
        """Delete rows with SQL, beside the service. `statement` has `%s` for the value."""
        sql = statement % ("'" + value.replace("'", "''") + "'")
        if self._url.startswith("postgresql"):
            with connected(self._url) as run:
                run(sql)
        else:
            with closing(driver.connect(self._folder / "app.db")) as connection:
                connection.execute(sql)
                connection.commit()
        self.is_counted = False

    def reindex(self) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "service", "reindex"],
            cwd=ROOT,
            env=clean_environment(**self._environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        # A process that has the index open looks for another one every second.
        expected = show_stats(self.model.totals())
        wait_until(lambda: self.get("/stats") == expected)
        self.is_counted = True

    # Readers

    def get(self, path: str) -> Json:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        content: Json = answer.json()
        return content

    async def get_later(self, path: str) -> Json:
        return self.get(path)

    def export(self) -> dict[str, Json]:
        """Every message that is stored, by its id."""
        lines = self.client.get("/messages/export").content.splitlines()
        contents = [json.loads(line) for line in lines]
        assert len({content["message_id"] for content in contents}) == len(contents)
        return {content["message_id"]: content for content in contents}

    def check_export(self) -> None:
        assert self.export() == {row.message_id: show(row) for row in self.model.rows}


def is_acknowledged(delivery: Future[int]) -> bool:
    """Whether a delivery got its 200; False where the connection broke."""
    try:
        return delivery.result() == 200
    except httpx.TransportError:
        return False
