"""One service, from its first start through whatever comes: hypothesis looks for the order that
breaks it. The process is real, and so are its ends: SIGTERM, SIGKILL, and SIGKILL under load.
"""

import asyncio
import json
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.store.interface import Position
from tests.support.api.walks import check_a_walk_by_cursor, check_a_walk_by_offset
from tests.support.model import Model, position, show, show_stats
from tests.support.processes import NO_TLS, ServiceProcess
from tests.support.service import SECRET, Json, encode, samples, signed
from tests.support.strategies import Question, Sent, questions, sent

IS_LONG = settings.get_current_profile_name() == "long"
EXAMPLES, STEPS, LIVES_MAX = (500, 50, 10) if IS_LONG else (6, 25, 3)

groups = st.lists(sent, max_size=6, unique_by=lambda each: each.message_id)


class Pause(NamedTuple):
    """A walk of which pages were taken; without a cursor, the first one is next."""

    question: Question
    cursor: str | None = None
    after: Position | None = None


def may_go_on_in_another_life(machine: "ServiceMachine") -> bool:
    """Starting a process takes longer than all else."""
    return machine.lives < LIVES_MAX


class ServiceMachine(RuleBasedStateMachine):
    """Deliveries, refusals, walks and ends, in any order; the model says what must be found."""

    messages: Bundle[Sent] = Bundle("messages")
    walks: Bundle[Pause] = Bundle("walks")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._pool = ThreadPoolExecutor(6)
        self._sent: list[Sent] = []
        """What is asked for. (Which of it was accepted depends on when a process was killed, and a
        story that is told again must have the same choices.)"""
        self._accepted: list[Sent] = []
        self.lives = 0
        self._start()

    def teardown(self) -> None:
        """End the last life, whatever became of it."""
        try:
            self._end(signal.SIGTERM)
        finally:
            self._process.process.kill()
            self._pool.shutdown()
            self._folder.cleanup()

    # What senders do

    @rule(target=messages, message=sent)
    def deliver(self, message: Sent) -> Sent:
        self._deliver_all([message])
        return message

    @rule(target=messages, group=groups)
    def deliver_at_once(self, group: list[Sent]) -> Any:
        self._deliver_all(group)
        return multiple(*group)

    @rule(message=messages)
    def repeat(self, message: Sent) -> None:
        self._deliver_all([message])

    @rule(message=messages, times=st.integers(2, 6))
    def repeat_at_once(self, message: Sent, times: int) -> None:
        self._deliver_all([message] * times)

    @rule(message=messages, other=sent)
    def deliver_other_fields(self, message: Sent, other: Sent) -> None:
        self._deliver_all([other._replace(message_id=message.message_id)])

    @rule(message=sent, byte=st.integers(0, 255))
    def deliver_altered(self, message: Sent, byte: int) -> None:
        """Something is altered on its way, behind the signature."""
        body = encode(message.content())
        altered = body[:-1] + bytes([byte])
        if altered != body:
            self._refuse(altered, signed(body), 401, "invalid_signature")

    @rule(message=sent, field=st.sampled_from(["message_id", "from", "to", "ts", "text"]))
    def deliver_nonsense(self, message: Sent, field: str) -> None:
        body = encode(message.content() | {field: 5})
        self._refuse(body, signed(body), 422, "validation_error")

    # What readers do

    @rule(data=st.data())
    def walk(self, data: st.DataObject) -> None:
        question = self._ask(data)
        asyncio.run(check_a_walk_by_cursor(self._get_later, self._model, question))
        asyncio.run(check_a_walk_by_offset(self._get_later, self._model, question))

    @rule(target=walks, data=st.data())
    def begin_walk(self, data: st.DataObject) -> Pause:
        return self._take_page(Pause(self._ask(data)))

    @rule(target=walks, walk=walks)
    def go_on_with_walk(self, walk: Pause) -> Pause:
        """Whatever was delivered meanwhile, and whichever process gave the cursor; from its
        beginning where it has come to its end."""
        return self._take_page(walk)

    @invariant()
    def stats_agree(self) -> None:
        assert self._get("/stats") == show_stats(self._model.totals())

    @invariant()
    def metrics_agree(self) -> None:
        metrics = samples(self._client.get("/metrics").text)
        counted = {
            result: metrics[f'webhook_requests_total{{result="{result}",source="webhook"}}']
            for result in ("created", "duplicate", "invalid_signature", "validation_error")
        }
        assert counted == {result: self._counts[result] for result in counted}
        assert metrics["webhook_conflicts_total"] == self._counts["conflict"]

    # How a life ends

    @precondition(may_go_on_in_another_life)
    @rule(number=st.sampled_from([signal.SIGTERM, signal.SIGKILL]))
    def restart(self, number: signal.Signals) -> None:
        self._end(number)
        self._start()

    @precondition(may_go_on_in_another_life)
    @rule(target=messages, group=groups, answers=st.integers(0, 6))
    def kill_under_load(self, group: list[Sent], answers: int) -> Any:
        """What was acknowledged is there; what was not is there as it was sent, or is not."""
        self._sent += group
        deliveries = [self._pool.submit(self._deliver, each) for each in group]
        wait(deliveries[:answers])
        self._end(signal.SIGKILL, deliveries)
        self._start()
        found = self._export()
        for message, delivery in zip(group, deliveries, strict=True):
            if is_acknowledged(delivery) or message.message_id in found:
                self._accepted.append(message)
        assert found == {row.message_id: show(row) for row in self._model.rows}
        return multiple(*group)

    def _start(self) -> None:
        self._process = ServiceProcess(Path(self._folder.name), {}).__enter__()
        self._client = httpx.Client(base_url=self._process.url, verify=NO_TLS)
        self._counts: Counter[str] = Counter()
        self.lives += 1

    def _end(self, number: signal.Signals, deliveries: Iterable[Future[int]] = ()) -> None:
        """End the process. `deliveries` may be under way, or not even have begun."""
        code = self._process.stop(number)
        wait(deliveries)
        self._client.close()
        assert code == (0 if number is signal.SIGTERM else -number)
        assert self._process.errors == ""
        assert b'"ERROR"' not in self._process.output
        assert SECRET.encode() not in self._process.output

    def _deliver(self, message: Sent) -> int:
        body = encode(message.content())
        return self._client.post("/webhook", content=body, headers=signed(body)).status_code

    @property
    def _model(self) -> Model:
        return Model.of(message.row() for message in self._accepted)

    def _deliver_all(self, group: list[Sent]) -> None:
        """At once; they are of different ids, or all the same."""
        self._sent += group
        assert list(self._pool.map(self._deliver, group)) == [200] * len(group)
        for message in group:
            first = {row.message_id: row for row in self._model.rows}.get(message.message_id)
            self._counts["created" if first is None else "duplicate"] += 1
            self._counts["conflict"] += first not in (None, message.row())
            self._accepted.append(message)

    def _refuse(self, body: bytes, headers: dict[str, str], status: int, result: str) -> None:
        answer = self._client.post("/webhook", content=body, headers=headers)
        assert answer.status_code == status
        self._counts[result] += 1

    def _ask(self, data: st.DataObject) -> Question:
        about_all = st.integers(1, 3).map(
            lambda limit: Question(limit=limit)
        )  # so that there are many pages
        return data.draw(about_all | questions(self._sent), label="question")

    def _take_page(self, walk: Pause) -> Pause:
        question = walk.question
        page = self._get(question.url(cursor=walk.cursor))
        rows = self._model.page(question.chosen(), walk.after, limit=question.limit + 1)
        taken, has_more = rows[: question.limit], len(rows) > question.limit
        assert page["data"] == [show(row) for row in taken]
        assert (page["next"] is not None) == has_more
        if question.wants_total:
            assert page["total"] == len(self._model.matching(question.chosen()))
        return Pause(question, page["next"], position(taken[-1]) if has_more else None)

    def _export(self) -> dict[str, Json]:
        """Everything that is stored, by its id."""
        lines = self._client.get("/messages/export").content.splitlines()
        contents = [json.loads(line) for line in lines]
        assert len({content["message_id"] for content in contents}) == len(contents)
        return {content["message_id"]: content for content in contents}

    def _get(self, path: str) -> Json:
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        content: Json = answer.json()
        return content

    async def _get_later(self, path: str) -> Json:
        return self._get(path)


def is_acknowledged(delivery: Future[int]) -> bool:
    """Whether a delivery got its 200; False where the connection broke."""
    try:
        return delivery.result() == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(0 if IS_LONG else 600)  # finding the smallest failure takes minutes
def test_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(
        ServiceMachine,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None),
    )
