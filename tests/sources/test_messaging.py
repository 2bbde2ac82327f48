"""The messages of messaging providers, from the bodies in their documents."""

import json
from string import Template
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.messages.instants import parse_instant
from service.messages.message import STORED_RULES, Message
from service.sources.messaging import extract
from service.sources.scheme import load_schemes
from service.sources.source import Source
from tests.support.providers import (
    SMS,
    TELNYX,
    WHATSAPP_IMAGE,
    WHATSAPP_STATUS,
    WHATSAPP_TEXT,
    telnyx,
    twilio,
    whatsapp,
)
from tests.support.service import Json
from tests.support.strategies import json_values

SCHEMES = load_schemes(None)
SOURCES = {
    name: Source(name, SCHEMES[name], [SCHEMES[name].vectors[0].secret.encode()])
    for name in ("twilio", "whatsapp", "telnyx", "github")
}
NOW = 1_732_363_200_000_000


def read(name: str, body: bytes) -> Message:
    """The one message of a body without a problem."""
    (message,), problem = extract(SOURCES[name], body, NOW)
    assert problem is None
    return message


def problem_of(name: str, body: bytes) -> str | None:
    """The problem of a body that brings no message."""
    messages, problem = extract(SOURCES[name], body, NOW)
    assert messages == ()
    return problem


class TestTwilio:
    def test_an_sms(self) -> None:
        sid, text = SMS["MessageSid"], "Ahoy! 👋 a+b"
        message = read("twilio", twilio())
        assert message == Message(sid, "+14158675310", "+18005551212", NOW, text, text.lower())

    def test_a_whatsapp_message(self) -> None:
        message = read("twilio", twilio(From="whatsapp:+14158675310", To="whatsapp:+14155238886"))
        assert (message.from_msisdn, message.to_msisdn) == ("+14158675310", "+14155238886")
        hidden = read("twilio", twilio(From="whatsapp:US.13491208655302741918"))
        assert hidden.from_msisdn == "US.13491208655302741918"

    def test_media_without_a_text(self) -> None:
        media = {"Body": "", "NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x"}
        message = read("twilio", twilio(**media, MediaContentType0="image/jpeg"))
        assert message.text is None
        without_body = urlencode({key: SMS[key] for key in SMS if key != "Body"})
        assert read("twilio", without_body.encode()).text is None

    @pytest.mark.parametrize("status", ["queued", "sent", "delivered", "failed", "read", ""])
    def test_a_status_is_no_message(self, status: str) -> None:
        assert problem_of("twilio", twilio(SmsStatus=status, MessageStatus=status)) is None
        assert problem_of("twilio", twilio(SmsStatus=status)) is None

    @pytest.mark.parametrize(
        "body", [b"", b"CallSid=CA1&From=%2B1415", b'[{"type":"x"}]', b"&" * 30_000]
    )
    def test_what_is_no_message(self, body: bytes) -> None:
        assert problem_of("twilio", body) is None

    def test_short_codes_and_names(self) -> None:
        message = read("twilio", twilio(From="ACME Ltd", To="12345"))
        assert (message.from_msisdn, message.to_msisdn) == ("ACME Ltd", "12345")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"MessageSid": ""}, "message_id"),
            ({"MessageSid": "x" * 256}, "message_id"),
            ({"MessageSid": "a\0"}, "message_id"),
            ({"From": ""}, "from"),
            ({"From": "x" * 65}, "from"),
            ({"To": "4158675310"}, "to"),
            ({"Body": "x" * 4_097}, "text"),
        ],
    )
    def test_a_broken_rule_is_named(self, changes: dict[str, str], field: str) -> None:
        rule = f"{field} must be {STORED_RULES[field]}"
        assert problem_of("twilio", twilio(**changes)) == rule

    def test_bytes_that_no_text_holds(self) -> None:
        message = read("twilio", twilio(Body="") + b"&Body=ignored")
        assert message.text is None, "the first of each name counts"
        form = urlencode({key: SMS[key] for key in SMS if key not in ("Body", "From")}).encode()
        assert (
            read("twilio", form + b"&From=%2B4911&Body=a%00%FF%ED%A0%80b").text
            == "a\ufffd" + "\ufffd" * 4 + "b"
        )
        assert problem_of("twilio", form + b"&From=a%FF") == f"from must be {STORED_RULES['from']}"


class TestWhatsApp:
    def test_a_text(self) -> None:
        message = read("whatsapp", whatsapp(WHATSAPP_TEXT))
        text = "Does it come in another color?"
        instant = 1_749_416_383_000_000
        wamid = WHATSAPP_TEXT["id"]
        assert message == Message(
            wamid, "+16315551181", "+15550783881", instant, text, text.lower()
        )

    def test_an_image_has_no_text(self) -> None:
        assert read("whatsapp", whatsapp(WHATSAPP_IMAGE)).text is None

    @pytest.mark.parametrize("sender", ["", None])
    def test_a_sender_whose_number_is_hidden(self, sender: str | None) -> None:
        sent = WHATSAPP_TEXT | {"from": sender, "from_user_id": "US.13491208655302741918"}
        assert read("whatsapp", whatsapp(sent)).from_msisdn == "US.13491208655302741918"

    def test_a_status_is_no_message(self) -> None:
        body = whatsapp(None, messages=[], statuses=[WHATSAPP_STATUS])
        assert problem_of("whatsapp", body) is None

    def test_several_in_one_post(self) -> None:
        messages, problem = extract(
            SOURCES["whatsapp"], whatsapp(WHATSAPP_TEXT, WHATSAPP_IMAGE), NOW
        )
        assert problem is None
        assert [each.message_id for each in messages] == [WHATSAPP_TEXT["id"], WHATSAPP_IMAGE["id"]]

    def test_the_good_ones_are_read_whatever_the_others_are(self) -> None:
        bad = WHATSAPP_IMAGE | {"timestamp": "yesterday"}
        body = whatsapp(bad, WHATSAPP_TEXT, 5, WHATSAPP_IMAGE)
        messages, problem = extract(SOURCES["whatsapp"], body, NOW)
        assert [each.message_id for each in messages] == [WHATSAPP_TEXT["id"], WHATSAPP_IMAGE["id"]]
        assert problem == (
            "message 1 of 4: ts must be the digits of seconds since 1970 (and 1 more)"
        )

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": None}, "message_id"),
            ({"id": "x" * 256}, "message_id"),
            ({"id": "\ud800"}, "message_id"),
            ({"from": 16315551181}, "from"),
            ({"from": ["16315551181"]}, "from"),
            ({"timestamp": None}, "ts"),
            ({"timestamp": True}, "ts"),
            ({"timestamp": -1}, "ts"),
            ({"timestamp": 1749416383.5}, "ts"),
            ({"timestamp": "9" * 12}, "ts"),
            ({"timestamp": "9" * 5_000}, "ts"),
            ({"timestamp": 10**30}, "ts"),
            ({"text": {"body": ["a"]}}, "text"),
            ({"text": {"body": "x" * 4_097}}, "text"),
        ],
    )
    def test_a_broken_rule_is_named(self, changes: Json, field: str) -> None:
        problem = problem_of("whatsapp", whatsapp(WHATSAPP_TEXT | changes))
        assert problem is not None
        assert problem.startswith(f"{field} must be ")

    @pytest.mark.parametrize("metadata", [None, {}, {"display_phone_number": 15550783881}, []])
    def test_a_recipient_that_is_not_there(self, metadata: Any) -> None:
        problem = problem_of("whatsapp", whatsapp(WHATSAPP_TEXT, metadata=metadata))
        assert problem == f"to must be {STORED_RULES['to']}"

    def test_characters_that_no_database_holds(self) -> None:
        message = read(
            "whatsapp", whatsapp(WHATSAPP_TEXT | {"text": {"body": "a\0\ud800\udc00\ud800"}})
        )
        assert message.text == "a\ufffd\U00010000\ufffd"


class TestTelnyx:
    def test_a_text(self) -> None:
        text = "Hello from Telnyx!"
        instant = parse_instant("2019-01-23T18:10:02.574Z")
        message_id = TELNYX["id"]
        assert read("telnyx", telnyx()) == Message(
            str(message_id), "+13125550001", "+17735550002", instant, text, text.lower()
        )

    @pytest.mark.parametrize("text", ["", None])
    def test_media_without_a_text(self, text: str | None) -> None:
        media = [{"url": "https://example.com/a.jpg", "content_type": "image/jpeg"}]
        assert read("telnyx", telnyx(text=text, media=media, type="MMS")).text is None

    @pytest.mark.parametrize("event_type", ["message.sent", "message.finalized", "call.initiated"])
    def test_other_events_are_no_messages(self, event_type: str) -> None:
        assert problem_of("telnyx", telnyx(event_type)) is None

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": 5}, "message_id"),
            ({"from": "+13125550001"}, "from"),
            ({"to": []}, "to"),
            ({"to": {"phone_number": "+17735550002"}}, "to"),
            ({"received_at": None}, "ts"),
            ({"received_at": "2019-02-30T18:10:02Z"}, "ts"),
            ({"received_at": "2019-01-23 18:10:02"}, "ts"),
            ({"text": {"body": "a"}}, "text"),
        ],
    )
    def test_a_broken_rule_is_named(self, changes: Json, field: str) -> None:
        assert problem_of("telnyx", telnyx(**changes)) == f"{field} must be {STORED_RULES[field]}"


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.messages])
def test_the_example_of_each_scheme_brings_a_message(name: str) -> None:
    example = SCHEMES[name].example
    body = Template(example.body).substitute(id="m-1", type=example.type, now=1, now_ms=1_000)
    assert (read(name, body.encode()).message_id, read(name, body.encode()).text) == (
        "m-1",
        "Hello",
    )


def test_other_schemes_bring_no_messages() -> None:
    for body in (whatsapp(WHATSAPP_TEXT), twilio(), telnyx(), b"not json"):
        assert problem_of("github", body) is None


@pytest.mark.parametrize("name", ["whatsapp", "telnyx"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b'{"a":\xff}',
        b'{"entry":' + b"[" * 5_000,
        b'{"a":1e999}',
        b"[%b]" % (b"9" * 5_000),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(name: str, body: bytes) -> None:
    assert problem_of(name, body) == "the body must be valid JSON in UTF-8"


@pytest.mark.parametrize("name", ["whatsapp", "telnyx"])
@pytest.mark.parametrize(
    "root", [None, [], {}, 5, {"entry": {}, "data": []}, {"entry": [5, {"changes": [{}]}]}]
)
def test_other_json_brings_no_messages(name: str, root: Any) -> None:
    assert problem_of(name, json.dumps(root).encode()) is None


PARTS = ["entry", "changes", "value", "messages", "metadata", "display_phone_number", "text"]
PARTS += ["from", "id", "timestamp", "body", "data", "payload", "event_type", "to", "phone_number"]
LIKE_PROVIDERS = st.recursive(
    json_values | st.sampled_from(["message.received", "text", "+4911", "1749416383"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PARTS), inner),
)


@given(LIKE_PROVIDERS, st.binary())
def test_no_body_raises_anything(like: Any, junk: bytes) -> None:
    sent = {"entry": [{"changes": [{"value": {"messages": [like], "metadata": like}}]}]}
    roots = [like, sent, {"data": {"event_type": "message.received", "payload": like}}]
    for name, source in SOURCES.items():
        for body in (junk, b"MessageSid=a&" + junk, *(json.dumps(root).encode() for root in roots)):
            messages, problem = extract(source, body, NOW)
            for message in messages:
                assert isinstance(message, Message), name
            assert problem is None or "must be" in problem
