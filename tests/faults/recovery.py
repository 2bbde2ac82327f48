"""Starts the service on the files that are left, and checks everything that it has promised."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx

from service.messages.instants import format_instant
from tests.faults.contents import Luck
from tests.faults.crashes import leave
from tests.faults.disk import Crash
from tests.faults.journal import Operation, accepted_ids
from tests.faults.stored import find_damage, find_strange_events, is_indexed, stored_ids
from tests.faults.traffic import COMMON, RECIPIENT, connect, messages, post, unique_word
from tests.support.model import Model
from tests.support.processes import NO_TLS, ServiceProcess
from tests.support.service import ROOT, Json, wait_until
from tests.support.strategies import Sent

SEARCHES = 8
"""Messages to search for over HTTP. The index file is compared with all messages."""


class Promise(NamedTuple):
    """The messages that were sent, in their first form, and the ids that were acknowledged."""

    sent: Mapping[str, Sent]
    acknowledged: Sequence[str]


class Verdict(NamedTuple):
    """What a start found."""

    acknowledged: int
    lost: list[str]
    """Acknowledged, and not stored."""
    twice: list[str]
    complaints: list[str]
    """Everything else that is wrong."""

    @property
    def is_kept(self) -> bool:
        """Nothing at all is wrong."""
        return not (self.lost or self.twice or self.complaints)


class Unreadable(Exception):
    """The service runs, and can't list its messages."""


def recover(folder: Path, database: Path, promise: Promise, source: Path = ROOT) -> Verdict:
    """Start the service of `source` on the files that are left, check everything, and stop it.

    `folder` gets what it writes on standard error.
    """
    acknowledged = set(promise.acknowledged)

    def nothing(complaint: str) -> Verdict:
        return Verdict(len(acknowledged), sorted(acknowledged), [], [complaint])

    process = ServiceProcess(folder, {"DATABASE_URL": f"sqlite:///{database}"}, source=source)
    try:
        process.__enter__()
    except AssertionError:
        process.process.kill()
        process.wait()
        return nothing(f"it does not start: {process.errors.strip()}")
    try:
        listed, complaints = look(process, lambda: is_indexed(database), promise.sent)
        events = list_events(process)
        complaints += _after_more_deliveries(process, listed, promise.sent)
    except Unreadable as error:
        return nothing(str(error))
    finally:
        process.__exit__()
    complaints += [*find_damage(database), *find_strange_events(database, promise.sent)]
    counts = Counter(message["message_id"] for message in listed)
    counts += Counter(event["id"] for event in events if event["source"] == "github")
    stored = Counter(stored_ids(database))
    return Verdict(
        len(acknowledged),
        sorted(each for each in acknowledged if not (counts[each] and stored[each])),
        sorted(each for each, count in (counts | stored).items() if count > 1),
        complaints,
    )


def lose_all_unsynced(
    folder: Path,
    before: Path,
    operations: Sequence[Operation],
    database: Path,
    sent: Mapping[str, Sent],
) -> Verdict:
    """A power loss after the last of `operations` takes everything that was not synced.

    `folder` gets what is left, and `database` lies in there as it did in `before`.
    """
    left = folder / "left"
    left.mkdir()
    crash = Crash(len(operations), 0, (Luck.NOTHING,))
    leave(before, operations, database, crash, left)
    return recover(folder, left / database, Promise(sent, accepted_ids(operations)))


def look(
    process: ServiceProcess, is_indexed: Callable[[], bool], sent: Mapping[str, Sent]
) -> tuple[list[Json], list[str]]:
    """The list of GET /messages, and the wrong answers, before everything is indexed and after.

    Raises Unreadable where it is not listed.
    """
    with httpx.Client(base_url=process.url, verify=NO_TLS) as client:
        listed = list_all(client)
        complaints = [*_strange(listed, sent), *_wrong_answers(client, listed, sent)]
        wait_until(is_indexed)
        complaints += _wrong_answers(client, listed, sent)
        complaints += find_short_lists(client, listed)
    return listed, complaints


def list_all(client: httpx.Client) -> list[Json]:
    """The messages by a walk; raises Unreadable."""
    return list(_walk(client, "limit=100"))


def list_events(process: ServiceProcess) -> list[Json]:
    """The events by a walk; raises Unreadable."""
    with httpx.Client(base_url=process.url, verify=NO_TLS) as client:
        return list(_walk(client, "limit=100", "/events"))


def find_short_lists(client: httpx.Client, listed: list[Json]) -> Iterator[str]:
    """Every walk and the export must agree with what is listed, also if the counts are wrong."""
    limit = min(100, 5 + len(listed) // 4)
    lists = {
        f"limit={limit}": listed,
        "limit=100&order=desc": listed[::-1],
        f"limit={limit}&to={quote(RECIPIENT)}": [
            each for each in listed if each["to"] == RECIPIENT
        ],
        f"limit=100&q={quote(COMMON)}": [each for each in listed if COMMON in (each["text"] or "")],
    }
    for query, wanted in lists.items():
        if list(_walk(client, query)) != wanted:
            yield f"a walk with {query} does not agree with the list"
    export = client.get("/messages/export")
    if [json.loads(line) for line in export.content.splitlines()] != listed:
        yield f"the export ({export.status_code}) does not agree with the list"


def _walk(client: httpx.Client, query: str, path: str = "/messages") -> Iterator[Json]:
    cursor = ""
    while True:
        response = client.get(f"{path}?{query}{cursor}")
        if response.status_code != 200:
            raise Unreadable(f"GET {path} gets {response.status_code}: {response.text}")
        page = response.json()
        yield from page["data"]
        if page["next"] is None:
            return
        cursor = f"&cursor={quote(page['next'])}"


def _strange(listed: list[Json], sent: Mapping[str, Sent]) -> Iterator[str]:
    for message in listed:
        known = sent.get(message["message_id"])
        if known is None:
            yield f"{message['message_id']} was never sent"
        elif message != known._replace(fraction_digits=0).content():
            yield f"{message['message_id']} has other fields than were sent"


def _wrong_answers(
    client: httpx.Client, listed: list[Json], sent: Mapping[str, Sent]
) -> Iterator[str]:
    ready = client.get("/health/ready")
    if ready.status_code != 200:
        yield f"not ready: {ready.text}"
    stored = [sent[each["message_id"]] for each in listed if each["message_id"] in sent]
    if client.get("/stats").json() != _stats(stored):
        yield "/stats does not agree with the messages"
    if client.get("/messages?limit=1").json()["total"] != len(listed):
        yield "the total is not the count of the messages"
    worded = [each.message_id for each in stored if each.text and COMMON in each.text]
    if client.get(f"/messages?limit=1&q={quote(COMMON.upper())}").json()["total"] != len(worded):
        yield "a search for what many texts have does not find all of them"
    # The first, the last, and some between.
    for message_id in worded[:: max(1, len(worded) // SEARCHES)] + worded[-1:]:
        found = client.get(f"/messages?q={quote(unique_word(message_id))}").json()["data"]
        if [each["message_id"] for each in found] != [message_id]:
            yield f"a search for what only {message_id} has does not find it alone"


def _stats(stored: Sequence[Sent]) -> Json:
    totals = Model.of(each.row() for each in stored).totals()
    first, last = (
        None if ts is None else format_instant(ts) for ts in (totals.first_ts, totals.last_ts)
    )
    return {
        "total_messages": totals.messages,
        "senders_count": totals.senders,
        "messages_per_sender": [
            {"from": sender, "count": count} for sender, count in totals.top_senders
        ],
        "first_message_ts": first,
        "last_message_ts": last,
    }


def _after_more_deliveries(
    process: ServiceProcess, listed: list[Json], sent: Mapping[str, Sent]
) -> Iterator[str]:
    """A repeated message must be a duplicate, a new one must be stored; then it must stop."""
    again = [Sent(*sent[each["message_id"]]) for each in listed[-1:] if each["message_id"] in sent]
    new = messages("after", 1, random.Random(0))
    with closing(connect(process.port)) as connection:
        statuses = [post(connection, each).status for each in [*again, *new]]
    if set(statuses) != {200}:
        yield f"deliveries after it get {statuses}"
    if code := process.stop():
        yield f"it ends with the code {code}"
    if process.errors:
        yield f"it says: {process.errors.strip()}"
    lines = process.log_lines()
    yield from (f"it logs: {line}" for line in lines if line["level"] == "ERROR")
    is_duplicate = [line.get("dup") for line in lines if line["path"] == "/webhook"]
    if is_duplicate != [True] * len(again) + [False]:
        yield f"deliveries after it are taken for duplicates: {is_duplicate}"
