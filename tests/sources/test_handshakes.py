"""Handshakes: answered in exactly the provider's shape, and for nothing else."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidSignature
from service.sources.handshakes import JSON, TEXT, Answer, answer_get, answer_post
from service.sources.scheme import load_schemes
from service.sources.source import Source
from tests.support.service import Json
from tests.support.strategies import json_values

SCHEMES = load_schemes(None)
SOURCES = {
    name: Source(name, scheme, [scheme.vectors[0].secret.encode()], b"a token")
    for name, scheme in SCHEMES.items()
}
PENDING = {"id": "f1c2a387", "status": "webhook_callback_verification_pending"}
NO_TOKENS = ["", "<b>", '{"a":1}', "v0:1:{}", "a b", "a\n", "é", "a" * 257, "a\0", "a&b"]
"""What is never signed or sent back."""


def get(name: str, **parameters: str) -> Answer | None:
    return answer_get(SOURCES[name], urlencode(parameters).encode())


def post(name: str, body: Json) -> Answer | None:
    return answer_post(SOURCES[name], json.dumps(body).encode(), 0)


def subscribe(**changes: str) -> Answer | None:
    """Meta's handshake. In Python, `hub_mode` stands for `hub.mode`."""
    given = {"hub_mode": "subscribe", "hub_challenge": "1158201444", "hub_verify_token": "a token"}
    return get("whatsapp", **{key.replace("_", ".", 1): v for key, v in (given | changes).items()})


def is_refused(answer: Answer | None) -> bool:
    return answer is not None and (answer.status, answer.content_type) == (403, JSON)


class TestMeta:
    def test_gets_its_challenge_back(self) -> None:
        assert subscribe() == Answer(200, b"1158201444", TEXT)
        assert is_refused(subscribe(hub_mode="unsubscribe"))

    @pytest.mark.parametrize("token", ["", "a toke", "A TOKEN", "a token ", "é", "\ud800", "a\0"])
    def test_must_know_the_token(self, token: str) -> None:
        query = urlencode({"hub.mode": "subscribe", "hub.challenge": "1"})
        query += "&hub.verify_token=" + urlencode({"": token}, errors="surrogatepass")[1:]
        assert is_refused(answer_get(SOURCES["meta"], query.encode()))

    @pytest.mark.parametrize("challenge", NO_TOKENS)
    def test_gets_no_markup_back(self, challenge: str) -> None:
        assert is_refused(subscribe(hub_challenge=challenge))

    @pytest.mark.parametrize(
        "query",
        [
            b"",
            b"\xff",
            b"&" * 1_000,
            b"hub.mode=subscribe&hub.challenge=1",
            b"hub.mode=subscribe&hub.challenge=1&hub.verify_token=a+token&hub.challenge=2",
        ],
    )
    def test_must_give_each_parameter_once(self, query: bytes) -> None:
        assert is_refused(answer_get(SOURCES["meta"], query))

    def test_is_refused_without_a_token_of_ours(self) -> None:
        source = Source("meta", SCHEMES["meta"], [b"secret"])
        for token in (b"", b"None"):
            query = b"hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + token
            assert is_refused(answer_get(source, query))


class TestX:
    def test_gets_its_token_signed(self) -> None:
        """The vector of github.com/frain-dev/convoy, internal/pkg/crc."""
        source = Source("x", SCHEMES["x"], [b"Convoy"])
        answer = answer_get(source, b"crc_token=uzwcfYtzr9&nonce=1")
        expected = b'{"response_token":"sha256=HXvxTdsfShG6k2zC9NVANwFquJBdOugRYHax2vNiiOo="}'
        assert answer == Answer(200, expected, JSON)

    @pytest.mark.parametrize("token", NO_TOKENS)
    def test_gets_nothing_signed_that_could_be_an_event(self, token: str) -> None:
        assert is_refused(get("x", crc_token=token))

    def test_a_body_that_the_handshake_signs_proves_nothing(self) -> None:
        for body in (b"123", b"null", b"a" * 256):
            assert not is_refused(answer_get(SOURCES["x"], b"crc_token=" + body))
            with pytest.raises(InvalidSignature) as refused:
                answer_post(SOURCES["x"], body, 0)
            assert refused.value.failure == "mismatch"
        assert answer_post(SOURCES["x"], b'{"for_user_id":"1"}', 0) is None


class TestSlack:
    def test_gets_its_challenge_back(self) -> None:
        """docs.slack.dev/reference/events/url_verification"""
        challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
        sent = {"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": challenge}
        answer = post("slack", sent | {"type": "url_verification"})
        assert answer == Answer(200, challenge.encode(), TEXT)
        assert post("slack", sent | {"type": "event_callback"}) is None
        assert post("slack", sent) is None


class TestTwitch:
    def test_gets_its_challenge_back(self) -> None:
        """dev.twitch.tv/docs/eventsub/handling-webhook-events"""
        challenge = "pogchamp-kappa-360noscope-vohiyo"
        sent = {"challenge": challenge, "subscription": PENDING}
        assert post("twitch", sent) == Answer(200, challenge.encode(), TEXT)
        assert post("twitch", {"subscription": PENDING}) is None
        for status in ("enabled", "authorization_revoked", None):
            other = {"subscription": PENDING | {"status": status}, "event": {"user_id": "1337"}}
            assert post("twitch", sent | other) is None


class TestZoom:
    def test_gets_its_token_signed_with_the_secret_that_it_has(self) -> None:
        """developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint"""
        token = "qgg8vlvZRS6UYooatFL8Aw"
        sent = {"payload": {"plainToken": token}, "event_ts": 1654503849680}
        sent["event"] = "endpoint.url_validation"
        secrets = [b"new secret", b"old secret"]
        source = Source("zoom", SCHEMES["zoom"], secrets)
        for index, secret in enumerate(secrets):
            answer = answer_post(source, json.dumps(sent).encode(), index)
            assert answer is not None
            assert (answer.status, answer.content_type) == (200, JSON)
            digest = hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()
            assert json.loads(answer.body) == {"plainToken": token, "encryptedToken": digest}
        assert post("zoom", sent | {"event": "meeting.started"}) is None
        assert post("zoom", sent | {"payload": {"object": {"plainToken": token}}}) is None


class TestDiscord:
    def test_a_ping_of_interactions_gets_a_pong(self) -> None:
        sent = {"application_id": "1", "id": "2", "token": "x", "type": 1, "version": 1}
        assert post("discord", sent) == Answer(200, b'{"type":1}', JSON)
        for type_ in (2, "1", True, None, -1, 1.5, [1]):
            assert post("discord", sent | {"type": type_}) is None

    def test_a_ping_of_webhook_events_gets_an_empty_answer(self) -> None:
        sent = {"version": 1, "application_id": "1", "type": 0}
        assert post("discord", sent) == Answer(204, b"", JSON)

    def test_an_event_has_the_type_of_a_ping_and_is_none(self) -> None:
        """docs.discord.com/developers/events/webhook-events: 0 is a ping, 1 an event."""
        event = {"type": "APPLICATION_AUTHORIZED", "timestamp": "2024-10-18T14:42:53.064834"}
        sent = {"version": 1, "application_id": "1", "type": 1, "event": event}
        assert post("discord", sent) is None


@pytest.mark.parametrize("token", NO_TOKENS)
def test_no_other_token_is_sent_back_or_signed(token: str) -> None:
    assert post("slack", {"type": "url_verification", "challenge": token}) is None
    assert post("twitch", {"challenge": token, "subscription": PENDING}) is None
    sent = {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
    assert post("zoom", sent) is None


@pytest.mark.parametrize("name", SCHEMES)
def test_each_handshake_is_that_of_its_scheme_alone(name: str) -> None:
    bodies: list[Json] = [
        {"type": "url_verification", "challenge": "a"},
        {"challenge": "a", "subscription": PENDING},
        {"event": "endpoint.url_validation", "payload": {"plainToken": "a"}},
        {"type": 1},
    ]
    owners = ["slack", "twitch", "zoom", "discord"]
    answered = [owner for owner, body in zip(owners, bodies, strict=True) if post(name, body)]
    assert answered == [owner for owner in owners if owner == SCHEMES[name].handshake]
    has_get = SCHEMES[name].handshake in ("meta", "x")
    assert (answer_get(SOURCES[name], b"") is not None) == has_get


HANDSHAKE_VALUES = st.sampled_from(
    ["url_verification", "endpoint.url_validation", "a", 0, 1, None, {"plainToken": "a"}]
)
HANDSHAKE_KEYS = st.sampled_from(["type", "challenge", "event", "payload"])
LIKE_HANDSHAKES = st.dictionaries(HANDSHAKE_KEYS, HANDSHAKE_VALUES | json_values)


@given(st.sampled_from(sorted(SOURCES)), st.binary(), LIKE_HANDSHAKES)
def test_any_bytes_are_answered_or_not_but_never_fail(name: str, junk: bytes, like: Json) -> None:
    source = SOURCES[name]
    answer_get(source, junk)
    answer_get(source, b"crc_token=a&hub.mode=subscribe&" + junk)
    for body in (junk, json.dumps(like).encode(), json.dumps(like).encode() + junk):
        try:
            answer = answer_post(source, body, 0)
        except InvalidSignature:
            assert name == "x"
        else:
            assert answer is None or answer.status in (200, 204)


def test_a_body_that_is_nested_deep_is_no_handshake() -> None:
    for name in SCHEMES:
        assert answer_post(SOURCES[name], b'{"payload":' + b"[" * 5_000, 0) is None
