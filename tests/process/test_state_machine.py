"""One service, from its first start through whatever comes: hypothesis looks for the order that
breaks it. The process is real, and so are its ends: SIGTERM, SIGKILL, and SIGKILL under load.
"""

import asyncio
import signal
from typing import Any, NamedTuple
from urllib.parse import quote

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
from tests.support.event_model import EventQuestion, SentEvent, event_questions, sent_events
from tests.support.kinds import STORES
from tests.support.model import position, show, show_stats
from tests.support.service import encode, samples, signed
from tests.support.story import Story
from tests.support.strategies import Question, Sent, questions, sent

IS_LONG = settings.get_current_profile_name() == "long"
EXAMPLES, STEPS, LIVES_MAX = (500, 50, 10) if IS_LONG else (5, 30, 3)

groups = st.lists(sent, max_size=6, unique_by=lambda each: each.message_id)
event_groups = st.lists(sent_events, max_size=6, unique_by=lambda each: each.event_id)


class Pause(NamedTuple):
    """A walk of which pages were taken; without a cursor, the first one is next."""

    question: Question
    cursor: str | None = None
    after: Position | None = None


def may_go_on_in_another_life(machine: "ServiceMachine") -> bool:
    """Starting a process takes longer than all else."""
    return machine.story.lives < LIVES_MAX


def is_counted(machine: "ServiceMachine") -> bool:
    return machine.story.is_counted


class ServiceMachine(RuleBasedStateMachine):
    """Deliveries, refusals, reads, erasures and ends, in any order."""

    kind: str
    messages: Bundle[Sent] = Bundle("messages")
    events: Bundle[SentEvent] = Bundle("events")
    walks: Bundle[Pause] = Bundle("walks")

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(self.kind)
        self._sent: list[Sent] = []
        """What is asked for. (Which of it was accepted depends on when a process was killed, and a
        story that is told again must have the same choices.)"""

    def teardown(self) -> None:
        self.story.close()

    # What senders do

    @rule(target=messages, group=groups)
    def deliver(self, group: list[Sent]) -> Any:
        self._sent += group
        self.story.deliver_all(group)
        return multiple(*group)

    @rule(message=messages, times=st.integers(1, 6))
    def repeat(self, message: Sent, times: int) -> None:
        self.story.deliver_all([message] * times)

    @rule(message=messages, other=sent)
    def deliver_other_fields(self, message: Sent, other: Sent) -> None:
        changed = other._replace(message_id=message.message_id)
        self._sent.append(changed)
        self.story.deliver_all([changed])

    @rule(message=sent, byte=st.integers(0, 255))
    def deliver_altered(self, message: Sent, byte: int) -> None:
        """Something is altered on its way, behind the signature."""
        body = encode(message.content())
        altered = body[:-1] + bytes([byte])
        if altered != body:
            self.story.refuse("/webhook", altered, signed(body), 401)

    @rule(message=sent, field=st.sampled_from(["message_id", "from", "to", "ts", "text"]))
    def deliver_nonsense(self, message: Sent, field: str) -> None:
        body = encode(message.content() | {field: 5})
        self.story.refuse("/webhook", body, signed(body), 422)

    @rule(target=events, group=event_groups)
    def deliver_events(self, group: list[SentEvent]) -> Any:
        self.story.deliver_events(group)
        return multiple(*group)

    @rule(event=events, times=st.integers(1, 6))
    def repeat_event(self, event: SentEvent, times: int) -> None:
        self.story.deliver_events([event] * times)

    @rule(event=events, body=st.binary())
    def deliver_other_body(self, event: SentEvent, body: bytes) -> None:
        self.story.deliver_events([event._replace(body=body)])

    @rule(event=sent_events)
    def deliver_altered_event(self, event: SentEvent) -> None:
        self.story.refuse("/webhook/github", event.body + b" ", event.headers(), 401)

    # What readers do

    @rule(data=st.data())
    def walk(self, data: st.DataObject) -> None:
        question = self._ask(data)
        get, model = self.story.get_later, self.story.model
        asyncio.run(check_a_walk_by_cursor(get, model, question))
        if self.story.is_counted:  # an offset counts what is erased until the next reindex
            asyncio.run(check_a_walk_by_offset(get, model, question))

    @rule(target=walks, data=st.data())
    def begin_walk(self, data: st.DataObject) -> Pause:
        return self._take_page(Pause(self._ask(data)))

    @rule(target=walks, walk=walks)
    def go_on_with_walk(self, walk: Pause) -> Pause:
        """Whatever was delivered meanwhile, and whichever process gave the cursor; from its
        beginning where it has come to its end."""
        return self._take_page(walk)

    @rule(message=messages)
    def read_message(self, message: Sent) -> None:
        found = [row for row in self.story.model.rows if row.message_id == message.message_id]
        if message.message_id not in (".", ".."):  # a client resolves these
            path = f"/messages/{quote(message.message_id, safe='')}"
            answer = self.story.client.get(path)
            assert answer.status_code == (200 if found else 404)
            assert not found or answer.json() == show(found[0])

    @rule(event=events)
    def read_event(self, event: SentEvent) -> None:
        path = f"/events/github/{quote(event.event_id, safe='')}"
        kept = self.story.kept.get(("github", event.event_id))
        answer, body = self.story.client.get(path), self.story.client.get(f"{path}/body")
        assert answer.status_code == body.status_code == (404 if kept is None else 200)
        if kept is not None:
            kept.check(answer.json())
            assert body.content == kept.body

    @rule(question=event_questions)
    def walk_along_events(self, question: EventQuestion) -> None:
        asked = question.at(self.story.events)
        expected = asked.matching(self.story.events)
        cursor: str | None = None
        for start in range(0, max(len(expected), 1), question.limit):
            page = self.story.get(asked.url(cursor))
            chosen = expected[start : start + question.limit]
            for kept, shown in zip(chosen, page["data"], strict=True):
                kept.check(shown)
            cursor = page["next"]
            assert (cursor is None) == (start + question.limit >= len(expected))

    @precondition(is_counted)
    @invariant()
    def stats_agree(self) -> None:
        assert self.story.get("/stats") == show_stats(self.story.model.totals())

    @precondition(is_counted)
    @invariant()
    def sources_agree(self) -> None:
        for shown in self.story.get("/sources")["data"]:
            kept = [each for each in self.story.events if each.source == shown["source"]]
            problems = sum(each.has_problem for each in kept)
            assert (shown["events"], shown["problems"]) == (len(kept), problems)

    @invariant()
    def metrics_agree(self) -> None:
        metrics = samples(self.story.client.get("/metrics").text)
        for source in ("webhook", "github"):
            for result in ("created", "duplicate", "invalid_signature", "validation_error"):
                labels = f'{{result="{result}",source="{source}"}}'
                counted = metrics[f"webhook_requests_total{labels}"]
                assert counted == self.story.counts[source, result], labels
        assert metrics["webhook_conflicts_total"] == self.story.counts["webhook", "conflict"]

    # What operators do

    @rule(message=messages)
    def erase_message(self, message: Sent) -> None:
        self.story.erase("DELETE FROM messages WHERE message_id = %s", message.message_id)
        self.story.accepted = [
            each for each in self.story.accepted if each.message_id != message.message_id
        ]
        self.story.check_export()

    @rule(event=events)
    def erase_event(self, event: SentEvent) -> None:
        self.story.erase("DELETE FROM events WHERE event_id = %s", event.event_id)
        self.story.kept.pop(("github", event.event_id), None)

    @precondition(lambda self: not self.story.is_counted)
    @rule()
    def reindex(self) -> None:
        self.story.reindex()

    # How a life ends

    @precondition(may_go_on_in_another_life)
    @rule(number=st.sampled_from([signal.SIGTERM, signal.SIGKILL]))
    def restart(self, number: signal.Signals) -> None:
        self.story.end(number)
        self.story.start()

    @precondition(may_go_on_in_another_life)
    @rule(
        target=messages,
        group=groups,
        event_group=event_groups,
        answers=st.integers(0, 12),
        data=st.data(),
    )
    def kill_under_load(
        self,
        group: list[Sent],
        event_group: list[SentEvent],
        answers: int,
        data: st.DataObject,
    ) -> Any:
        """What was acknowledged is there; what was not is there as it was sent, or is not."""
        self._sent += group
        both: list[Sent | SentEvent] = [*group, *event_group]
        mixed = data.draw(st.permutations(both))
        self.story.kill_under(mixed, answers)
        self.story.check_export()
        return multiple(*group)

    def _ask(self, data: st.DataObject) -> Question:
        about_all = st.integers(1, 3).map(
            lambda limit: Question(limit=limit)
        )  # so that there are many pages
        question = data.draw(about_all | questions(self._sent), label="question")
        return question if self.story.is_counted else question._replace(wants_total=False)

    def _take_page(self, walk: Pause) -> Pause:
        question = walk.question
        if not self.story.is_counted:
            question = question._replace(wants_total=False)
        page = self.story.get(question.url(cursor=walk.cursor))
        rows = self.story.model.page(question.chosen(), walk.after, limit=question.limit + 1)
        taken, has_more = rows[: question.limit], len(rows) > question.limit
        assert page["data"] == [show(row) for row in taken]
        assert (page["next"] is not None) == has_more
        if question.wants_total:
            assert page["total"] == len(self.story.model.matching(question.chosen()))
        return Pause(question, page["next"], position(taken[-1]) if has_more else None)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.timeout(0 if IS_LONG else 600)  # finding the smallest failure takes minutes
def test_whatever_happens_in_whatever_order(kind: str) -> None:
    run_state_machine_as_test(
        type("ServiceMachine", (ServiceMachine,), {"kind": kind}),
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None),
    )
