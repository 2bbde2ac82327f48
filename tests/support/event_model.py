"""A model of the events that are stored, and what senders and readers of events do."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.support.model import show_instant
from tests.support.service import Json

GITHUB_SECRET = "the-secret-of-github"


class SentEvent(NamedTuple):
    """What GitHub delivers."""

    event_id: str
    type: str
    body: bytes

    def headers(self) -> dict[str, str]:
        digest = hmac.new(GITHUB_SECRET.encode(), self.body, hashlib.sha256).hexdigest()
        return {
            "X-Hub-Signature-256": f"sha256={digest}",
            "X-GitHub-Delivery": self.event_id,
            "X-GitHub-Event": self.type,
        }


class Kept(NamedTuple):
    """An event that is stored, in the order of GET /events."""

    received_at: int
    source: str
    event_id: str
    type: str | None
    body: bytes
    has_problem: bool

    @property
    def path(self) -> str:
        return f"/events/{quote(self.source, safe='')}/{quote(self.event_id, safe='')}"

    def check(self, shown: Json) -> None:
        assert (shown["source"], shown["id"]) == (self.source, self.event_id)
        assert shown["type"] == self.type
        assert shown["received_at"] == show_instant(self.received_at)
        assert (shown["problem"] is not None) == self.has_problem
        assert shown["message_ids"] == []
        found = shown["body"]
        if isinstance(found, dict) and list(found) == ["base64"]:
            assert base64.b64decode(found["base64"], validate=True) == self.body
        else:
            assert found == json.loads(self.body)


class EventQuestion(NamedTuple):
    """A query of GET /events. `since` and `until` are first the numbers of events: see `at`."""

    source: str | None
    type: str | None
    problem: bool | None
    since: int | None
    until: int | None
    order: str | None
    limit: int

    def at(self, stored: Sequence[Kept]) -> "EventQuestion":
        """With the instants themselves, in microseconds."""
        if not stored:
            return self._replace(since=None, until=None)
        since, until = (
            None if index is None else stored[index % len(stored)].received_at
            for index in (self.since, self.until)
        )
        return self._replace(since=since, until=until)

    def matching(self, stored: Sequence[Kept]) -> list[Kept]:
        found = [each for each in sorted(stored, key=place) if self._is_match(each)]
        return found[::-1] if self.order == "desc" else found

    def url(self, cursor: str | None) -> str:
        given: dict[str, Any] = self._asdict() | {"cursor": cursor}
        given["problem"] = None if self.problem is None else str(self.problem).lower()
        for name in ("since", "until"):
            given[name] = None if given[name] is None else show_instant(given[name])
        return "/events?" + urlencode({name: given[name] for name in given if given[name]})

    def _is_match(self, kept: Kept) -> bool:
        return (
            self.source in (None, kept.source)
            and self.type in (None, kept.type)
            and self.problem in (None, kept.has_problem)
            and (self.since is None or kept.received_at >= self.since)
            and (self.until is None or kept.received_at < self.until)
        )


def place(kept: Kept) -> tuple[int, str, str]:
    """Its place in the order of GET /events."""
    return (kept.received_at, kept.source, kept.event_id)


types = st.sampled_from(["push", "ping", "pull_request"])
bodies = st.sampled_from([b"", b"{}", b'{"a": 1.10}', b'{"base64": ""}', b"a=1&b=2"]) | st.binary()
sent_events = st.builds(
    SentEvent,
    event_id=st.text("ab1/%~", min_size=1, max_size=2) | st.uuids().map(str),
    type=types,
    body=bodies,
)


event_questions = st.builds(
    EventQuestion,
    source=st.sampled_from([None, None, "github", "webhook", "other"]),
    type=st.none() | types,
    problem=st.sampled_from([None, None, True, False]),
    since=st.none() | st.none() | st.integers(0, 99),
    until=st.none() | st.none() | st.integers(0, 99),
    order=st.sampled_from([None, "asc", "desc"]),
    limit=st.integers(1, 4) | st.just(100),
)
