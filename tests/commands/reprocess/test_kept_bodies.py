"""`python -m service reprocess`: bodies that were refused, and are messages by today's rules."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.messages.event import Event
from service.store.interface import EventRow
from tests.support.events import event, rows_of, run_command, store_events, stored_events
from tests.support.imports import locked, stored_in
from tests.support.kinds import environment_of, on_each_database, on_sqlite
from tests.support.processes import clean_environment, serving
from tests.support.service import ROOT, Json, encode, message, signed

pytestmark = on_each_database

OLD_RULE = "ts must be a rule of an earlier version"


def kept(number: int, content: Json | bytes, problem: str = OLD_RULE, **changes: object) -> Event:
    """A body that POST /webhook refused."""
    return event(
        number,
        encode(content),
        **{"source": "webhook", "type": None, "headers": "{}", "problem": problem} | changes,
    )


VALID = [
    kept(number, message(message_id=f"m-{number}"), headers='{"x-name Ω":"Ω"}')
    for number in range(5)
]
BAD = [
    kept(10, message(ts="yesterday, private text")),
    kept(11, message(ts="today")),
    kept(12, b"private text"),
    kept(13, message(), headers='{"content-encoding":"gzip"}'),
]


def reprocess(url: str, *arguments: str) -> tuple[int, dict[str, int], str]:
    """The exit code, the counts by what they count, and the output."""
    done = run_command(url, "reprocess", *arguments)
    output = done.stdout.decode()
    assert done.stderr == b""
    return done.returncode, counts(output), output


def counts(output: str) -> dict[str, int]:
    looked_at = re.match(r"looked at ([\d,]+) events with a problem in [\d.]+ s\n", output)
    assert looked_at is not None, output
    found = re.findall(r"^ +([\d,]+)  (.*)$", output, re.MULTILINE)
    return {
        what: int(count.replace(",", "")) for count, what in [(looked_at[1], "looked at"), *found]
    }


def mended(each: Event, *ids: str) -> EventRow:
    return rows_of([each])[0]._replace(problem=None, message_ids=ids)


def test_what_is_a_message_by_now_is_stored_and_the_event_says_which(database_url: str) -> None:
    store_events(database_url, [*VALID, *BAD])
    code, found, output = reprocess(database_url)
    assert code == 1
    assert (found["looked at"], found["mended"], found["messages created"]) == (9, 5, 5)
    assert found["still refused"] == 4
    assert found["ts must be an RFC 3339 instant with Z or an offset, and a real date"] == 2
    assert found["the body must be valid JSON in UTF-8"] == 1
    encoding = "Content-Encoding must be identity: send the body without compression"
    assert found[encoding] == 1
    assert "private" not in output
    assert stored_in(database_url) == [message(message_id=f"m-{number}") for number in range(5)]
    expected = [mended(each, f"m-{number}") for number, each in enumerate(VALID)]
    assert stored_events(database_url) == expected + rows_of(BAD)


def test_a_second_run_looks_only_at_what_is_left(database_url: str) -> None:
    store_events(database_url, [*VALID, *BAD])
    reprocess(database_url)
    code, found, _ = reprocess(database_url)
    assert (code, found["looked at"], found["mended"], found["still refused"]) == (1, 4, 0, 4)


def test_exit_code_0_when_no_problem_is_left(database_url: str) -> None:
    assert reprocess(database_url)[0] == 0
    store_events(database_url, VALID)
    assert reprocess(database_url)[0] == 0
    assert reprocess(database_url)[1]["looked at"] == 0


def test_a_dry_run_counts_and_changes_nothing(database_url: str) -> None:
    store_events(database_url, [*VALID, *BAD])
    code, found, _ = reprocess(database_url, "--dry-run")
    assert (code, found["looked at"], found["still refused"]) == (1, 9, 4)
    assert found["would be mended, with 5 messages"] == 5
    assert stored_in(database_url) == []
    assert stored_events(database_url) == rows_of([*VALID, *BAD])


def test_an_id_that_is_stored_already_is_left_as_it_is(database_url: str) -> None:
    same, other = kept(1, message()), kept(2, message(text="Another text"))
    store_events(database_url, [same, other])
    _, found, _ = reprocess(database_url)
    stored_once = (found["messages created"], found["messages stored before, otherwise"])
    assert (found["mended"], *stored_once) == (2, 1, 1)
    assert stored_in(database_url) == [message()]
    assert stored_events(database_url) == [mended(same, "m-1"), mended(other, "m-1")]


def test_more_than_a_batch(database_url: str) -> None:
    many = [kept(n, message(message_id=f"m-{n:04}") if n % 3 else b"{}") for n in range(1_000)]
    store_events(database_url, many)
    _, found, _ = reprocess(database_url)
    assert (found["looked at"], found["mended"], found["still refused"]) == (1_000, 666, 334)
    assert len(stored_in(database_url)) == 666


def test_messages_are_found_by_a_running_service(database_url: str, tmp_path: Path) -> None:
    """The whole way: a webhook is refused and kept, and a later rule takes it."""
    with serving(tmp_path, **environment_of(database_url)) as service:
        refused = service.deliver(message(message_id="refused", ts="tomorrow"))
        assert refused.status_code == 422
        store_events(database_url, VALID)
        assert reprocess(database_url)[1]["mended"] == 5
        page = service.get("/messages").json()
        assert (page["total"], page["data"][0]) == (5, message(message_id="m-0"))
        assert service.get("/stats").json()["total_messages"] == 5
        events = service.get("/events?problem=true").json()["data"]
        assert [each["body"]["message_id"] for each in events] == ["refused"]
        shown = service.get(f"/events/webhook/{VALID[0].event_id}").json()
        assert (shown["problem"], shown["message_ids"]) == (None, ["m-0"])
        body = encode(message(message_id="m-0"))
        again = service.request("POST", "/webhook", content=body, headers=signed(body))
        assert again.status_code == 200


def begin_reprocess(database_url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "service", "reprocess"],
        cwd=ROOT,
        env=clean_environment(**environment_of(database_url)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@on_sqlite
def test_it_waits_for_a_locked_database(database_url: str, tmp_path: Path) -> None:
    store_events(database_url, VALID)
    with locked(tmp_path / "app.db"):
        process = begin_reprocess(database_url)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("the database is locked by another program")
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors, counts(output)["mended"]) == (0, "", 5)


@on_sqlite
def test_a_signal_ends_it_while_it_waits(database_url: str, tmp_path: Path) -> None:
    store_events(database_url, VALID)
    with locked(tmp_path / "app.db"):
        process = begin_reprocess(database_url)
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert errors == "reprocess: interrupted: what is counted is done; run it again for the rest\n"


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["more"], {}, "unrecognized arguments: more"),
        (["--source"], {}, "argument --source: expected one argument"),
        ([], {"SOURCE_NOBODY_SECRET": "hidden"}, "SOURCE_NOBODY_SCHEME must be one of"),
        ([], {"DATABASE_URL": "mysql://"}, "DATABASE_URL must be"),
        (["--dry-run"], {"DATABASE_URL": "sqlite:////no/such"}, "DATABASE_URL: "),
    ],
    ids=str,
)
def test_senseless_ones(
    database_url: str, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    done = run_command(database_url, "reprocess", *arguments, environment=variables)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.decode().startswith(f"reprocess: {sentence}")
    assert b"hidden" not in done.stderr
