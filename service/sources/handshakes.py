"""Handshakes: a provider asks whether an address belongs to whoever knows the secret.

A handshake is answered and not stored. What is not exactly one is an event. X and Zoom want an HMAC
under the key that also signs their payloads. So only a short token is ever signed or sent back:
it is no JSON object, no signed content of Zoom (`v0:…`) and no markup.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import parse_qs

import msgspec

from service.errors import InvalidSignature, Refusal
from service.sources.source import Source

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"

_TOKEN = r"\A[0-9A-Za-z._~+/=-]{1,256}\Z"  # noqa: S105 - a pattern
_is_token = re.compile(_TOKEN).match
_is_token_in_bytes = re.compile(_TOKEN.encode()).match
_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """What a provider gets for its handshake."""

    status: int
    body: bytes
    content_type: bytes


def answer_get(source: Source, query: bytes) -> Answer | None:
    """The answer to a GET; None if the scheme has no handshake by GET."""
    answer = _GET.get(source.scheme.handshake or "")
    return None if answer is None else answer(source, _read_query(query)) or _REFUSAL


def answer_post(source: Source, body: bytes, secret_index: int) -> Answer | None:
    """The answer to a POST that `source.verify` accepted with this secret; None if it is an event.

    Raises InvalidSignature for a body that X's handshake signs for whoever asks.
    """
    answer = _POST.get(source.scheme.handshake or "")
    return None if answer is None else answer(body, source.secrets[secret_index])


def _meta(source: Source, query: Mapping[str, str]) -> Answer | None:
    """developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests"""
    token, challenge = query.get("hub.verify_token", ""), query.get("hub.challenge", "")
    if query.get("hub.mode") != "subscribe" or not _is_token(challenge) or not source.verify_token:
        return None
    if not hmac.compare_digest(source.verify_token, token.encode()):
        return None
    return Answer(200, challenge.encode(), TEXT)


def _x_get(source: Source, query: Mapping[str, str]) -> Answer | None:
    """docs.x.com/x-api/webhooks/introduction: the challenge-response check"""
    token = query.get("crc_token", "")
    if not _is_token(token):
        return None
    digest = hmac.digest(source.secrets[0], token.encode(), "sha256")
    signature = f"sha256={base64.b64encode(digest).decode()}"
    return Answer(200, _encode({"response_token": signature}), JSON)


def _x_post(body: bytes, _secret: bytes) -> None:
    if _is_token_in_bytes(body):
        raise InvalidSignature("mismatch")


class _SlackChallenge(msgspec.Struct, gc=False, frozen=True):
    type: Literal["url_verification"]
    challenge: str


def _slack(body: bytes, _secret: bytes) -> Answer | None:
    """docs.slack.dev/reference/events/url_verification"""
    return _return_token(_read(body, _decode_slack))


class _TwitchSubscription(msgspec.Struct, gc=False, frozen=True):
    status: Literal["webhook_callback_verification_pending"]


class _TwitchChallenge(msgspec.Struct, gc=False, frozen=True):
    challenge: str
    subscription: _TwitchSubscription


def _twitch(body: bytes, _secret: bytes) -> Answer | None:
    """dev.twitch.tv/docs/eventsub/handling-webhook-events#responding-to-a-challenge-request

    The body decides, and not the header that names the message's type: only the body is signed.
    """
    return _return_token(_read(body, _decode_twitch))


class _ZoomToken(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    plain_token: str


class _ZoomValidation(msgspec.Struct, gc=False, frozen=True):
    event: Literal["endpoint.url_validation"]
    payload: _ZoomToken


def _zoom(body: bytes, secret: bytes) -> Answer | None:
    """developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint"""
    sent = _read(body, _decode_zoom)
    if sent is None or not _is_token(sent.payload.plain_token):
        return None
    token = sent.payload.plain_token
    digest = hmac.digest(secret, token.encode(), "sha256")
    return Answer(200, _encode({"plainToken": token, "encryptedToken": digest.hex()}), JSON)


class _DiscordPing(msgspec.Struct, gc=False, frozen=True):
    type: Literal[0, 1]
    event: None = None
    """Of the webhook of events, type 1 is an event, and type 0 the ping."""


def _discord(body: bytes, _secret: bytes) -> Answer | None:
    """docs.discord.com/developers/interactions/overview and …/events/webhook-events"""
    sent = _read(body, _decode_ping)
    if sent is None:
        return None
    return Answer(200, b'{"type":1}', JSON) if sent.type else Answer(204, b"", JSON)


_GET: Mapping[str, Callable[[Source, Mapping[str, str]], Answer | None]] = {
    "meta": _meta,
    "x": _x_get,
}
_POST: Mapping[str, Callable[[bytes, bytes], Answer | None]] = {
    "x": _x_post,
    "slack": _slack,
    "twitch": _twitch,
    "zoom": _zoom,
    "discord": _discord,
}
_REFUSAL = Answer(403, _encode(Refusal("this is not the handshake of the source")), JSON)
"""It does not say what is wrong: a token must not be guessed in parts."""

_decode_slack = msgspec.json.Decoder(_SlackChallenge).decode
_decode_twitch = msgspec.json.Decoder(_TwitchChallenge).decode
_decode_zoom = msgspec.json.Decoder(_ZoomValidation).decode
_decode_ping = msgspec.json.Decoder(_DiscordPing).decode

T = TypeVar("T")


def _read(body: bytes, decode: Callable[[bytes], T]) -> T | None:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _return_token(sent: _SlackChallenge | _TwitchChallenge | None) -> Answer | None:
    if sent is None or not _is_token(sent.challenge):
        return None
    return Answer(200, sent.challenge.encode(), TEXT)


def _read_query(query: bytes) -> Mapping[str, str]:
    """The parameters that are given once."""
    try:
        given = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return {}
    return {name: values[0] for name, values in given.items() if len(values) == 1}
