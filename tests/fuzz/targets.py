"""The fuzz targets: functions that take any bytes, and fail if the service breaks a promise.

Each target compares the service's result with a result found in another way. So a wrong result is a
failure, not only a crash.
"""

import base64
import codecs
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import urlencode

import msgspec

from service.api.cursors import decode_cursor, encode_cursor
from service.api.messages import export
from service.api.messages.page import Query, parse_query
from service.api.parameters import FILTERS
from service.errors import InvalidMessage, InvalidParameter
from service.messages.instants import format_instant
from service.messages.message import RULES, Message, decode_message
from service.messages.text import fold
from service.sources import signature
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position
from tests.fuzz import providers, sources
from tests.fuzz.connection import Exchange, Request, exchange
from tests.support.api.webhooks import verify
from tests.support.instants import read_instant
from tests.support.schemes import SCHEMES
from tests.support.service import encode, message
from tests.support.wires import BODY, GET, chunked, head, post

SECRETS = (b"secret", b"previous")
OTHER_REFUSALS = ("the body must be a JSON object", "the body must be valid JSON in UTF-8")
NUMBER = r"\+[1-9][0-9]{1,14}"
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Target(NamedTuple):
    """A function, and inputs to start from."""

    run: Callable[[bytes], None]
    seeds: list[bytes]


class Undecided(Exception):
    """JSON that RFC 8259 (4, 6, 8 and 9) lets two readers read differently."""


def fuzz_message(body: bytes) -> None:
    """A body is read as Python's json reads it, or refused with a known sentence."""
    read = read_or_refuse(body)
    if isinstance(read, InvalidMessage):
        assert str(read) in OTHER_REFUSALS or str(read).startswith(tuple(RULES))
        assert not is_message(body), read
        return
    content = show(read)
    assert decode_message(encode(content)) == read
    assert (read.folded_text or read.text or "") == fold(read.text or "")
    meant = json.loads(without_mark(body).decode("utf-8", "replace"))
    text = meant.get("text")
    meant["text"] = text and UNSTORABLE.sub("\ufffd", text)
    assert {name: meant.get(name) for name in RULES if name != "ts"} == {
        name: content[name] for name in RULES if name != "ts"
    }
    assert read_instant(meant["ts"]) == read.ts == read_instant(content["ts"])


def read_or_refuse(body: bytes) -> Message | InvalidMessage:
    try:
        return decode_message(body)
    except InvalidMessage as refusal:
        return refusal


def is_message(body: bytes) -> bool:
    """Whether a body keeps the documented rules, without the service's code. False if in doubt."""
    try:
        content = json.loads(
            without_mark(body).decode(),
            object_pairs_hook=once_each,
            parse_constant=doubt,
            parse_int=float,
        )
    except (ValueError, RecursionError, Undecided):
        return False
    if not isinstance(content, dict):
        return False
    message_id, text = content.get("message_id"), content.get("text")
    return (
        is_text(message_id, 255)
        and bool(message_id.strip())
        and not UNSTORABLE.search(message_id)
        and all(is_like(NUMBER, content.get(name)) for name in ("from", "to"))
        and isinstance(content.get("ts"), str)
        and read_instant(content["ts"]) is not None
        and (text is None or is_text(text, 4096))
    )


def without_mark(body: bytes) -> bytes:
    return body.removeprefix(codecs.BOM_UTF8)


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Undecided
    return dict(pairs)


def doubt(_constant: str) -> None:
    raise Undecided


def is_text(value: object, characters_max: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= characters_max


def is_like(pattern: str, value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def show(read: Message) -> dict[str, Any]:
    return {
        "message_id": read.message_id,
        "from": read.from_msisdn,
        "to": read.to_msisdn,
        "ts": format_instant(read.ts),
        "text": read.text,
    }


def fuzz_signature(data: bytes) -> None:
    """The header before the first newline signs the body after it, or does not.

    `x` stands for a digit of the true signature. So the fuzzer finds near misses.
    """
    written, _, body = data.partition(b"\n")
    true = [hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in SECRETS]
    claimed = b"".join(
        true[0][place : place + 1] if byte == ord("x") else bytes([byte])
        for place, byte in enumerate(written)
    )
    for header in (claimed, b"sha256=" + claimed, claimed.upper(), b"%b, %b" % (claimed, true[1])):
        parts = [part.strip() for part in header.lower().split(b",")]
        digits = [part.removeprefix(b"sha256=") for part in parts]
        trusted = [index for index, each in enumerate(true) if each in digits]
        if len(parts) > 4:
            expected: int | str = "malformed"
        elif trusted:
            expected = trusted[0]
        elif any(re.fullmatch(b"[0-9a-f]{64}", each) for each in digits):
            expected = "mismatch"
        else:
            expected = "malformed" if header.strip() else "missing"
        assert verify(SECRETS, body, header) == expected
        assert isinstance(verify((), body, header), str)
        assert isinstance(verify((b"another",), body, header), str)
        once = [(b"x-signature", header)]
        assert signature.find([(b"a", b"b"), *once]) == [header]
        assert verify(SECRETS, body, *signature.find(once * 2)) == "malformed"


def fuzz_query(query_string: bytes) -> None:
    """A query is refused, or it means the same after it is written again."""
    for parse in (parse_query, export.parse_query):
        try:
            parsed = parse(query_string)
        except InvalidParameter:
            continue
        again = write(parsed) if isinstance(parsed, Query) else write_export(*parsed)
        assert parse(again) == parsed


def write(query: Query) -> bytes:
    """A query string that means `query`."""
    assert 1 <= query.limit <= 100
    assert query.offset >= 0
    order = "desc" if query.chosen.is_descending else "asc"
    given = {"limit": query.limit, "order": order, "total": str(query.wants_total).lower()}
    if query.after is None:
        return urlencode(given | {"offset": query.offset} | shown(query.chosen)).encode()
    assert query.offset == 0
    cursor = encode_cursor(query.after, query.chosen)
    return urlencode(given | {"cursor": cursor} | shown(query.chosen)).encode()


def write_export(chosen: Filter, form: Any) -> bytes:
    return urlencode({"format": form.name} | shown(chosen)).encode()


def shown(chosen: Filter) -> dict[str, str]:
    """The parameters of a filter."""
    values = (
        chosen.message_id,
        chosen.from_msisdn,
        chosen.to_msisdn,
        None if chosen.since == INSTANT_MIN else format_instant(chosen.since),
        None if chosen.until == INSTANT_MAX else format_instant(chosen.until),
        chosen.q_folded or None,
    )
    return {name: value for name, value in zip(FILTERS, values, strict=True) if value is not None}


def fuzz_cursor(data: bytes) -> None:
    """A cursor is refused, or it names a position. This includes forged cursors."""
    chosen = Filter(q_folded="a")
    digest = hashlib.blake2b(msgspec.msgpack.encode(chosen), digest_size=8).digest()
    forged = b"\x93" + data + msgspec.msgpack.encode(digest)
    for text in (data.decode("latin-1"), base64.urlsafe_b64encode(forged).decode().rstrip("=")):
        try:
            place = decode_cursor(text, chosen)
        except ValueError:
            continue
        assert INSTANT_MIN <= place.ts <= INSTANT_MAX
        place.message_id.encode()
        assert decode_cursor(encode_cursor(place, chosen), chosen) == place


def fuzz_connection(data: bytes) -> None:
    """Bytes mean the same in one piece, byte by byte, and in two halves."""
    whole = exchange([data])
    assert whole == exchange([bytes([byte]) for byte in data])
    half = len(data) // 2
    assert whole == exchange([data[:half], data[half:]])
    check_exchange(whole)


def check_exchange(exchanged: Exchange) -> None:
    """The application gets no request whose end is in doubt, and none after it."""
    refusals = [request for request in exchanged.requests if isinstance(request, int)]
    assert exchanged.is_open == (not refusals)
    assert refusals in ([], [400], [431])
    assert not refusals or exchanged.requests[-1] == refusals[0]
    for request in exchanged.requests:
        if isinstance(request, Request):
            check_request(request)


def check_request(request: Request) -> None:
    names = [name for name, _ in request.headers]
    lengths = [int(value) for name, value in request.headers if name == b"content-length"]
    is_chunked = b"transfer-encoding" in names
    assert request.path.startswith("/")
    assert names.count(b"host") == 1 or (b"host" not in names and request.version == "1.0")
    assert len(lengths) + is_chunked <= 1
    assert is_chunked or len(request.body) <= sum(lengths)
    assert is_chunked or request.is_whole == (len(request.body) == sum(lengths))


CURSOR = encode_cursor(Position(0, "m-1"), Filter())
SIGNED = b"POST /webhook HTTP/1.1\r\nHost: a\r\n"
TARGETS = {
    "providers": Target(providers.fuzz_providers, providers.SEEDS),
    "message": Target(
        fuzz_message,
        [
            BODY,
            encode(message(text=None)),
            encode(message(ts="2025-01-15T10:00:00.120000Z", text="\u00e9\U0001f389")),
            json.dumps(message(text="\u00e9\\u0000\n", x=[{"y": 1.5e3}])).encode(),
            BODY[:-1] + b',"text":"\\ud83d\\ude00","text":null}',
            codecs.BOM_UTF8 + encode(message(ts="2017-01-01t08:59:60.25+09:00")),
            encode(message(text="\ud83d\ud83d\ude00\0\\ud800")),
            b'{"message_id":5}',
            b"[]",
        ],
    ),
    "signature": Target(
        fuzz_signature,
        [
            b"x" * 64 + b"\n" + BODY,
            b"sha256=" + b"x" * 64 + b"\n",
            b"sha256=" + b"0" * 64 + b", sha256=" + b"x" * 64 + b"\n",
            b"a,b,c,d," + b"x" * 64 + b"\n",
            b"0" * 64 + b"\na",
            b"\xe9\n",
            b"\n",
        ],
    ),
    "query": Target(
        fuzz_query,
        [
            b"limit=5&offset=10&total=false",
            b"from=%2B11&to=+12&since=2025-01-15T10:00:00Z&until=2025-01-15T10:00:00.5Z",
            b"q=%C3%9F%25_&limit=100",
            b"cursor=" + CURSOR.encode() + b"&limit=1",
            b"format=csv&q=a%00",
        ],
    ),
    "cursor": Target(
        fuzz_cursor,
        [
            CURSOR.encode(),
            msgspec.msgpack.encode(5) + msgspec.msgpack.encode("m-1"),
            msgspec.msgpack.encode(-(2**63)) + msgspec.msgpack.encode("\0" * 40),
        ],
    ),
    "form": Target(sources.fuzz_form, sources.FORMS),
    "connection": Target(
        fuzz_connection,
        [
            GET + post() + GET,
            post(BODY, "Expect: 100-continue", "Connection: close"),
            head("Transfer-Encoding: chunked") + chunked(BODY, 7) + GET,
            head("Transfer-Encoding: chunked") + b"1;a=b\r\nx\r\n0\r\nX-A: a\r\n\r\n" + GET,
            head("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 2") + b"ab" + GET,
            head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + GET,
            b"\r\n\r\nGET http://a:80/%7e?b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET,
        ],
    ),
} | {f"scheme-{name}": Target(*sources.make_target(scheme)) for name, scheme in SCHEMES.items()}
