"""The fuzz target of what providers send: their messages and handshakes."""

import json
import re
from typing import Any

from service.errors import InvalidSignature
from service.messages.instants import format_instant
from service.messages.message import STORED_RULES, decode_stored_message
from service.sources.handshakes import answer_get, answer_post
from service.sources.messaging import extract
from service.sources.scheme import load_schemes
from service.sources.source import Source
from tests.support.providers import (
    WHATSAPP_IMAGE,
    WHATSAPP_STATUS,
    WHATSAPP_TEXT,
    telnyx,
    twilio,
    whatsapp,
)
from tests.support.service import encode

NOW = 1_732_363_200_000_000
SCHEMES = load_schemes(None)
SOURCES = [
    Source(name, scheme, [scheme.vectors[0].secret.encode()], b"a token")
    for name, scheme in SCHEMES.items()
    if scheme.messages or scheme.handshake
]
PROBLEM = re.compile(
    r"(message \d+ of \d+: )?"
    rf"({'|'.join(STORED_RULES)}|the body) must be [^\0]+?( \(and [\d,]+ more\))?"
)
TOKEN = re.compile(r"[\w.~+/=-]{1,256}", re.ASCII)

SEEDS = [
    twilio(),
    twilio(From="whatsapp:+4911", Body="a\0"),
    twilio(MessageStatus="sent"),
    telnyx(),
    telnyx(to=[]),
    whatsapp(WHATSAPP_TEXT, WHATSAPP_IMAGE, 5),
    whatsapp(WHATSAPP_TEXT | {"text": {"body": "\ud83d"}}),
    whatsapp(None, messages=[], statuses=[WHATSAPP_STATUS]),
    b"hub.mode=subscribe&hub.challenge=1&hub.verify_token=a+token",
    b"crc_token=abc",
    b"123",
    b'{"type":"url_verification","challenge":"abc"}',
    b'{"challenge":"abc","subscription":{"status":"webhook_callback_verification_pending"}}',
    b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}',
    b'{"type":1}',
    b'{"type":1,"event":{}}',
]


def fuzz_providers(data: bytes) -> None:
    """Any bytes bring messages that an export would bring as well, or a problem in known words.

    A handshake sends back a short token of the request, or signs one.
    """
    for source in SOURCES:
        messages, problem = extract(source, data, NOW)
        assert problem is None or PROBLEM.fullmatch(problem), problem
        for message in messages:
            sent = {"message_id": message.message_id, "text": message.text}
            sent |= {"from": message.from_msisdn, "to": message.to_msisdn}
            line = encode(sent | {"ts": format_instant(message.ts)})
            assert decode_stored_message(line) == message
        check_get(source, data)
        check_post(source, data)


def check_get(source: Source, query: bytes) -> None:
    answer = answer_get(source, query)
    assert (answer is not None) == (source.scheme.handshake in ("meta", "x"))
    assert answer is None or answer.status in (200, 403)
    if answer is not None and answer.status == 200 and source.scheme.handshake == "meta":
        assert TOKEN.fullmatch(answer.body.decode())


def check_post(source: Source, body: bytes) -> None:
    try:
        answer = answer_post(source, body, 0)
    except InvalidSignature:
        assert source.scheme.handshake == "x"
        assert TOKEN.fullmatch(body.decode())
        return
    if answer is None or answer.status == 204 or answer.body == b'{"type":1}':
        return
    assert answer.status == 200
    sent: Any = json.loads(body)
    plain = sent["payload"]["plainToken"] if source.scheme.handshake == "zoom" else None
    token = sent["challenge"] if plain is None else json.loads(answer.body)["plainToken"]
    assert TOKEN.fullmatch(token)
    assert plain in (None, token)
    assert plain is not None or answer.body == token.encode()
