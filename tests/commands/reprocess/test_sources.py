"""`python -m service reprocess`: events of providers, by the rules of their schemes."""

import hashlib

import pytest

from service.messages.event import Event
from tests.commands.reprocess.test_kept_bodies import counts, mended
from tests.support.events import event, rows_of, run_command, store_events, stored_events
from tests.support.imports import stored_in
from tests.support.kinds import on_each_database, on_sqlite

pytestmark = on_each_database

FORM = b"MessageSid=SM1&From=%2B14155550100&To=%2B18005550199&Body=Hello"
TWILIO = {"SOURCE_TWILIO_SECRET": "s"}


def sms(number: int, body: bytes, event_id: str = "SM1", **changes: object) -> Event:
    """A message of Twilio that broke a rule of an earlier version."""
    fields = {"source": "twilio", "event_id": event_id, "type": None, "problem": "an old rule"}
    return event(number, body, **fields | changes)


def reprocess(url: str, *arguments: str, **variables: str) -> tuple[int, dict[str, int]]:
    done = run_command(url, "reprocess", *arguments, environment=variables)
    assert done.stderr == b""
    return done.returncode, counts(done.stdout.decode())


def test_the_messages_of_a_provider_are_stored(database_url: str) -> None:
    sent = sms(1, FORM)
    store_events(database_url, [sent])
    code, found = reprocess(database_url, **TWILIO)
    assert (code, found["mended"], found["messages created"]) == (0, 1, 1)
    assert stored_events(database_url) == [mended(sent, "SM1")]
    [stored] = stored_in(database_url)
    assert (stored["message_id"], stored["text"]) == ("SM1", "Hello")


def test_without_its_variables_a_source_is_left_alone(database_url: str) -> None:
    store_events(database_url, [sms(1, FORM)])
    code, found = reprocess(database_url)
    assert (code, found["mended"], found["still refused"]) == (1, 0, 1)
    assert found["the environment has no such source: its scheme is not known"] == 1
    assert stored_events(database_url) == rows_of([sms(1, FORM)])


def test_only_one_source(database_url: str) -> None:
    other = event(2, b"{}", source="webhook", problem="an old rule")
    store_events(database_url, [sms(1, FORM), other])
    code, found = reprocess(database_url, "--source", "twilio", **TWILIO)
    assert (code, found["looked at"], found["mended"]) == (0, 1, 1)
    assert stored_events(database_url) == [mended(sms(1, FORM), "SM1"), *rows_of([other])]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (sms(1, FORM.replace(b"%2B14155550100", b"")), "from must be "),
        (sms(1, FORM, event_id=hashlib.sha256(FORM).hexdigest()), "the scheme finds another id"),
        (sms(1, FORM, headers='{"content-encoding":"br"}'), "Content-Encoding must be identity"),
    ],
    ids=["rule", "id", "encoding"],
)
@on_sqlite
def test_what_breaks_a_rule_still_keeps_its_problem(
    database_url: str, sent: Event, reason: str
) -> None:
    store_events(database_url, [sent])
    code, found = reprocess(database_url, **TWILIO)
    assert (code, found["still refused"]) == (1, 1)
    assert [what for what in found if what.startswith(reason)]
    assert stored_events(database_url) == rows_of([sent])


@on_sqlite
def test_an_event_that_has_no_id_is_left_alone(database_url: str) -> None:
    problem = "the id is not where the scheme looks for it: the body's SHA-256 stands for it"
    sent = event(1, b"{}", source="stripe", event_id="0" * 64, type=None, problem=problem)
    store_events(database_url, [sent])
    code, found = reprocess(database_url, SOURCE_STRIPE_SECRET="s")
    assert (code, found[problem]) == (1, 1)
    assert stored_events(database_url) == rows_of([sent])
