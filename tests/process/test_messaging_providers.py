"""A process and messaging providers: a message and its event are one commit."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.kinds import environment_of, on_each_database
from tests.support.processes import ServiceProcess, serving
from tests.support.providers import (
    PUBLIC_KEY,
    SMS,
    TELNYX,
    WHATSAPP_IMAGE,
    WHATSAPP_STATUS,
    WHATSAPP_TEXT,
    sign_telnyx,
    sign_twilio,
    sign_whatsapp,
    telnyx,
    twilio,
    whatsapp,
)
from tests.support.service import Json, samples

pytestmark = on_each_database

SECRETS = {
    "SOURCE_TWILIO_SECRET": "auth token",
    "SOURCE_WHATSAPP_SECRET": "app secret",
    "SOURCE_WHATSAPP_VERIFY_TOKEN": "a token",
    "SOURCE_TELNYX_SECRET": PUBLIC_KEY,
}


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    return environment_of(database_url) | SECRETS


@pytest.fixture
def process(tmp_path: Path, environment: dict[str, str]) -> Iterator[ServiceProcess]:
    with serving(tmp_path, **environment) as process:
        yield process


def post(process: ServiceProcess, source: str, body: bytes) -> bytes:
    """Deliver a body as its provider signs it; gives the body of the 200."""
    path = f"/webhook/{source}"
    headers = {
        "twilio": lambda: sign_twilio("auth token", process.url + path, body),
        "whatsapp": lambda: sign_whatsapp("app secret", body),
        "telnyx": lambda: sign_telnyx(body),
    }[source]()
    answer = process.request("POST", path, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def messages(process: ServiceProcess, query: str = "") -> list[Json]:
    found: list[Json] = process.get(f"/messages{query}").json()["data"]
    return found


def events(process: ServiceProcess) -> list[Json]:
    found: list[Json] = process.get("/events").json()["data"]
    return found


@pytest.mark.parametrize(
    ("source", "body", "message_id", "answer"),
    [
        ("twilio", twilio(), SMS["MessageSid"], b""),
        ("whatsapp", whatsapp(WHATSAPP_TEXT), WHATSAPP_TEXT["id"], b'{"status":"ok"}'),
        ("telnyx", telnyx(), TELNYX["id"], b'{"status":"ok"}'),
    ],
    ids=["twilio", "whatsapp", "telnyx"],
)
def test_a_message_and_its_event_are_stored_once(
    process: ServiceProcess, source: str, body: bytes, message_id: str, answer: bytes
) -> None:
    for _ in range(3):
        assert answer in post(process, source, body)
    (stored,), (event,) = messages(process), events(process)
    assert (stored["message_id"], stored["text"] is None) == (message_id, False)
    assert (event["source"], event["problem"]) == (source, None)
    assert event["message_ids"] == [message_id]
    one = process.get(f"/messages/{quote(message_id, safe='')}").json()
    assert one == stored | {"event": {"source": source, "id": event["id"]}}
    path = f"/events/{source}/{quote(event['id'], safe='')}/body"
    assert process.get(path).content == body
    found = samples(process.get("/metrics").text)
    for result, count in (("created", 1), ("duplicate", 2)):
        assert found[f'webhook_requests_total{{result="{result}",source="{source}"}}'] == count


def test_what_is_no_message_is_an_event(process: ServiceProcess) -> None:
    post(process, "twilio", twilio(MessageStatus="delivered", SmsStatus="delivered"))
    post(process, "twilio", b"CallSid=CA1&From=%2B4911&To=%2B4922&CallStatus=ringing")
    post(process, "whatsapp", whatsapp(None, messages=[], statuses=[WHATSAPP_STATUS]))
    post(process, "telnyx", telnyx("message.finalized"))
    assert messages(process) == []
    assert [event["problem"] for event in events(process)] == [None] * 4


def test_media_stay_in_the_event(process: ServiceProcess) -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"
    post(process, "twilio", twilio(Body="", NumMedia="1", MediaUrl0=url))
    (stored,) = messages(process)
    assert stored["text"] is None
    named = process.get(f"/messages/{stored['message_id']}").json()["event"]
    event = process.get(f"/events/{named['source']}/{named['id']}/body")
    assert f"MediaUrl0={quote(url, safe='')}" in event.text


def test_several_messages_in_one_post_and_one_that_breaks_a_rule(process: ServiceProcess) -> None:
    bad = WHATSAPP_IMAGE | {"id": "wamid.bad", "timestamp": "yesterday"}
    post(process, "whatsapp", whatsapp(WHATSAPP_TEXT, bad, WHATSAPP_IMAGE))
    (event,) = events(process)
    ids = {WHATSAPP_TEXT["id"], WHATSAPP_IMAGE["id"]}
    assert {each["message_id"] for each in messages(process)} == ids == set(event["message_ids"])
    assert event["problem"] == "message 2 of 3: ts must be the digits of seconds since 1970"
    assert len(process.get("/events?problem=true").json()["data"]) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"MessageSid": "x" * 256}, "message_id"),
        ({"From": "x" * 65}, "from"),
        ({"Body": "x" * 4_097}, "text"),
    ],
)
def test_a_message_that_breaks_a_rule_is_kept_as_an_event(
    process: ServiceProcess, changes: dict[str, str], field: str
) -> None:
    post(process, "twilio", twilio(**changes))
    (event,) = events(process)
    assert f"{field} must be " in event["problem"]
    assert messages(process) == []


def test_short_codes_and_names_are_found(process: ServiceProcess) -> None:
    post(process, "twilio", twilio(From="ACME & Co", To="12345", Body="a\0b"))
    (stored,) = messages(process, "?from=ACME+%26+Co&to=12345")
    assert stored["text"] == "a\ufffdb"


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with ServiceProcess(tmp_path, environment) as process:
        for number in range(20):
            post(process, "twilio", twilio(MessageSid=f"SM{number}"))
        process.stop(signal.SIGKILL)
    with serving(tmp_path, **environment) as process:
        ids = {f"SM{number}" for number in range(20)}
        assert {each["message_id"] for each in messages(process)} == ids
        assert {event["id"] for event in events(process)} == ids


def test_a_handshake_is_answered_and_not_stored(process: ServiceProcess) -> None:
    query: Any = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    for token, expected in (("a token", (200, "1158201444")), ("another", (403, None))):
        query["hub.verify_token"] = token
        answer = process.request("GET", "/webhook/whatsapp", params=query)
        status, text = expected
        assert answer.status_code == status
        assert text in (None, answer.text)
    assert process.get("/webhook/twilio").status_code == 405
    assert events(process) == []
    assert not [line for line in process.log_lines() if "1158201444" in str(line)]
