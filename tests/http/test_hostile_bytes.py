"""Bytes that no honest client sends, and odd ones that one may: RFC 9112, and what attackers try.

Whoever sends them gets a clean refusal, the connection ends there, and the service goes on. Behind
each lies a whole, signed webhook: it would be stored, were it taken for a request of its own.
"""

import contextlib
import json
import re
import ssl

import pytest

from service.app import PATHS
from service.http.request_head import HEAD_BYTES_MAX
from service.telemetry.metrics import METHODS
from tests.support.service import encode, message, samples, signature
from tests.support.wires import BODY, GET, Answer, Wires, chunked, head, post

pytestmark = pytest.mark.anyio

SMUGGLED = post(encode(message(message_id="smuggled")))
CHUNKED = "Transfer-Encoding: chunked"
EMPTY = b"0\r\n\r\n"
LAST = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def get(first: str, *fields: str) -> bytes:
    """A request without a body, its first line and its fields as they are given."""
    return "\r\n".join([first, *fields, "\r\n"]).encode("latin-1")


def in_chunks(frames: bytes, *fields: str) -> bytes:
    """A webhook whose body is written as `frames`; it is signed as if it were BODY."""
    return head(f"X-Signature: {signature(BODY)}", CHUNKED, *fields) + frames


def client_hello() -> bytes:
    """The first flight of a client that expects TLS."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


HOST, HTTP = "Host: a", "GET /stats HTTP/1.1"
TWO = b"2\r\nab\r\n"  # a chunk
FAULTS = {
    "where a body ends (RFC 9112, 6)": {
        "a length and chunks": head("Content-Length: 5", CHUNKED) + EMPTY,
        "chunks and a length": head(CHUNKED, "Content-Length: 5") + EMPTY,
        "a length and an unknown coding": head("Content-Length: 5", "Transfer-Encoding: x") + EMPTY,
        "a length and an empty coding": head("Content-Length: 5", "Transfer-Encoding:") + EMPTY,
        "two lengths": head("Content-Length: 1", "Content-Length: 2") + b"ab",
        "one length twice": head("Content-Length: 2", "Content-Length: 2") + b"ab",
        "a list of lengths": head("Content-Length: 2, 2") + b"ab",
        "a negative length": head("Content-Length: -1"),
        "a length with a sign": head("Content-Length: +2") + b"ab",
        "a length with a space": head("Content-Length: 2 2") + b"ab",
        "a length in hexadecimal": head("Content-Length: 0x2") + b"ab",
        "a length with an underscore": head("Content-Length: 1_0") + b"ab",
        "a length that is no number": head("Content-Length: x"),
        "an empty length": head("Content-Length:"),
        "a length beyond 64 bits": head("Content-Length: 18446744073709551618") + b"ab",
        "a length of 5,000 digits": head("Content-Length: " + "9" * 5_000),
        "a length over two lines": head("Content-Length: 2\r\n 0") + b"ab",
        "an unknown coding": head("Transfer-Encoding: gzip"),
        "an unknown coding, then chunks": head("Transfer-Encoding: gzip, chunked") + EMPTY,
        "chunks, then an unknown coding": head("Transfer-Encoding: chunked, gzip") + EMPTY,
        "chunks in chunks": head("Transfer-Encoding: chunked, chunked") + EMPTY,
        "chunks twice": head(CHUNKED, CHUNKED) + EMPTY,
        "identity": head("Transfer-Encoding: identity") + EMPTY,
        "identity, then chunks": head("Transfer-Encoding: identity", CHUNKED) + EMPTY,
        "a comma before chunked": head("Transfer-Encoding: ,chunked") + EMPTY,
        "a comma behind chunked": head("Transfer-Encoding: chunked,") + EMPTY,
        "chunked in quotes": head('Transfer-Encoding: "chunked"') + EMPTY,
        "chunked with a parameter": head("Transfer-Encoding: chunked;q=1") + EMPTY,
        "almost chunked": head("Transfer-Encoding: xchunked") + EMPTY,
        "a control character and chunked": head("Transfer-Encoding: \x0bchunked") + EMPTY,
        "a space behind the coding's name": head("Transfer-Encoding : chunked") + EMPTY,
        "a coding over two lines": head("Transfer-Encoding:\r\n chunked") + EMPTY,
        "chunks in HTTP/1.0": head(CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0") + EMPTY,
        "chunks in HTTP/1.0 that goes on": (
            head(CHUNKED, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0") + EMPTY
        ),
    },
    "how a line ends (RFC 9112, 2.2)": {
        "bare LF everywhere": head("Content-Length: 2").replace(b"\r\n", b"\n") + b"ab",
        "bare LF behind the first line": head().replace(b"1.1\r\n", b"1.1\n"),
        "bare LF behind a field": head("X-A: a\nContent-Length: 2") + b"ab",
        "bare LF at the head's end": head("Content-Length: 2")[:-2] + b"\nab",
        "bare CR in a value": head("X-A: a\rb"),
        "bare CR between fields": head("X-A: a\rContent-Length: 2") + b"ab",
        "two CR": head("X-A: a\r"),
        "a value over two lines": head("X-A: a\r\n b"),
        "a space behind the first line": head().replace(b"\r\nHost", b"\r\n Host"),
    },
    "chunks (RFC 9112, 7.1)": {
        "a chunk without a size": in_chunks(b"\r\nab\r\n" + EMPTY),
        "a chunk of no number": in_chunks(b"x\r\n"),
        "a chunk below 0": in_chunks(b"-1\r\n"),
        "a chunk with a sign": in_chunks(b"+2\r\nab\r\n" + EMPTY),
        "a chunk with 0x": in_chunks(b"0x2\r\nab\r\n" + EMPTY),
        "a chunk beyond 64 bits": in_chunks(b"10000000000000002\r\nab\r\n" + EMPTY),
        "a space before a chunk's size": in_chunks(b" 2\r\nab\r\n" + EMPTY),
        "a space behind a chunk's size": in_chunks(b"2 \r\nab\r\n" + EMPTY),
        "a tab behind a chunk's size": in_chunks(b"2\t\r\nab\r\n" + EMPTY),
        "bare LF behind a chunk's size": in_chunks(b"2\nab\r\n" + EMPTY),
        "bare LF behind a chunk": in_chunks(b"2\r\nab\n" + EMPTY),
        "bare LF behind the last chunk": in_chunks(TWO + b"0\n\n"),
        "bare LF at the body's end": in_chunks(TWO + b"0\r\n\n"),
        "bare LF in an extension": in_chunks(b"2;a\nab\r\n" + EMPTY),
        "bare CR in an extension": in_chunks(b"2;a\rb\r\nab\r\n" + EMPTY),
        "a control character in an extension": in_chunks(b'2;a="\x01"\r\nab\r\n' + EMPTY),
        "an empty extension": in_chunks(b"2;\r\nab\r\n" + EMPTY),
        "a chunk shorter than told": in_chunks(b"5\r\nab\r\n" + EMPTY),
        "a chunk longer than told": in_chunks(b"1\r\nab\r\n" + EMPTY),
        "a chunk without its end": in_chunks(b"2\r\nab" + EMPTY),
        "another end of a chunk": in_chunks(b"2\r\nabXX" + EMPTY),
    },
    "trailers (RFC 9112, 7.1.2)": {
        "a length in a trailer": in_chunks(chunked(BODY)[:-2] + b"Content-Length: 5\r\n\r\n"),
        "a coding in a trailer": in_chunks(chunked(BODY)[:-2] + CHUNKED.encode() + b"\r\n\r\n"),
        "a request in a trailer": in_chunks(chunked(BODY)[:-2] + GET),
        "bare LF behind a trailer": in_chunks(chunked(BODY)[:-2] + b"X-A: a\n\r\n"),
        "NUL in a trailer": in_chunks(chunked(BODY)[:-2] + b"X-A: \0\r\n\r\n"),
    },
    "the first line, and for whom it is (RFC 9112, 3)": {
        "a word": b"garbage\r\n\r\n",
        "a space in front": b" " + GET,
        "a tab in the first line": get("GET\t/stats HTTP/1.1", HOST),
        "a space behind the version": get(HTTP + " ", HOST),
        "a method in lower case": get("get /stats HTTP/1.1", HOST),
        "an unknown method": get("FROB /stats HTTP/1.1", HOST),
        "CONNECT": get("CONNECT a:80 HTTP/1.1", HOST),
        "no version": get("GET /stats"),
        "HTTP/0.9": get("GET /stats HTTP/0.9", HOST),
        "HTTP/1.2": get("GET /stats HTTP/1.2", HOST),
        "HTTP/2.0": get("GET /stats HTTP/2.0", HOST),
        "HTTP/9.9": get("GET /stats HTTP/9.9", HOST),
        "http/1.1": get("GET /stats http/1.1", HOST),
        "no slash": get("GET stats HTTP/1.1", HOST),
        "a star": get("GET * HTTP/1.1", HOST),
        "OPTIONS of a star": get("OPTIONS * HTTP/1.1", HOST),
        "a fragment": get("GET /stats#a HTTP/1.1", HOST),
        "a byte beyond ASCII in the path": get("GET /\xff HTTP/1.1", HOST),
        "a control character in the path": get("GET /\x01 HTTP/1.1", HOST),
        "NUL in the path": get("GET /\0 HTTP/1.1", HOST),
        "a query without a path": get("GET ?a HTTP/1.1", HOST),
        "a URL without a host": get("GET http:// HTTP/1.1", HOST),
        "a URL without a path": get("GET http://a HTTP/1.1", HOST),
        "a URL with a password": get("GET http://user:password@a/stats HTTP/1.1", HOST),
        "a URL of another scheme": get("GET ftp://a/stats HTTP/1.1", HOST),
        "a file's URL": get("GET file:///etc/passwd HTTP/1.1", HOST),
        "no Host": get(HTTP),
        "two Hosts": get(HTTP, HOST, "Host: b"),
        "one Host twice": get(HTTP, HOST, HOST),
        "a Host with a space": get(HTTP, "Host: a b"),
        "a Host with a path": get(HTTP, "Host: a/b"),
        "a Host with a user": get(HTTP, "Host: a@b"),
        "a list of Hosts": get(HTTP, "Host: a, b"),
        "a Host beyond ASCII": get(HTTP, "Host: \xe9"),
        "a Host with a wrong port": get(HTTP, "Host: a:b"),
    },
    "fields (RFC 9112, 5)": {
        "a space behind a name": get(HTTP, "Host : a"),
        "a space in a name": get(HTTP, HOST, "X A: a"),
        "a control character in a name": get(HTTP, HOST, "X\x01A: a"),
        "a byte beyond ASCII in a name": get(HTTP, HOST, "X\xe9: a"),
        "no name": get(HTTP, HOST, ": a"),
        "no colon": get(HTTP, HOST, "nothing"),
    },
    "other protocols": {
        "TLS": client_hello(),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "RTSP": get("DESCRIBE rtsp://a/ RTSP/1.0", "CSeq: 1"),
        "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
        "SOCKS": b"\x05\x01\x00",
        "Redis": b"*1\r\n$4\r\nPING\r\n",
        "a PROXY line": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + GET,
        "bytes": b"\x00\x01\x02\xff" * 100,
    },
}
ODD = {
    "an empty line in front": b"\r\n" + post(),
    "upper case": post().replace(b"X-Signature", b"X-SIGNATURE").replace(b"Length", b"LENGTH"),
    "no white space before values": re.sub(rb"(?m)^([\w-]+): ", rb"\1:", post()),
    "white space around values": re.sub(rb": (.*)\r", rb":\t \1 \t\r", post()),
    "bytes beyond ASCII in a value": post(BODY, "X-A: \xe9"),
    "a query": post().replace(b"/webhook", b"/webhook?a=%zz"),
    "a URL": post().replace(b"/webhook", b"http://elsewhere.example:80/webhook"),
    "a URL of https, in upper case": post().replace(b"/webhook", b"HTTPS://A/webhook"),
    "an empty Host": post().replace(b"Host: a", b"Host:"),
    "a Host of IPv6": post().replace(b"Host: a", b"Host: [::1]:8000"),
    "a Host with escapes": post().replace(b"Host: a", b"Host: a%20b"),
    "zeros before a length": post().replace(b"Length: ", b"Length: 000"),
    "chunks in upper case": in_chunks(chunked(BODY)).replace(b"chunked", b"CHUNKED"),
    "a space behind chunked": in_chunks(chunked(BODY)).replace(b"chunked", b"chunked "),
    "zeros before a chunk's size": in_chunks(re.sub(rb"(?m)^(64|0)", rb"000\1", chunked(BODY))),
    "extensions of chunks": in_chunks(chunked(BODY).replace(b"64\r", b'64;a;b=c;d="e f"\r')),
    "trailers": in_chunks(chunked(BODY)[:-2] + b"X-A: a\r\nX-B: b\r\n\r\n"),
    "an unknown expectation": post(BODY, "Expect: the-unexpected"),
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_a_faulty_request_is_refused_and_nothing_behind_it_is_read(
    wires: Wires, faults: dict[str, bytes]
) -> None:
    for name, fault in faults.items():
        whole = await exchange(wires, fault + SMUGGLED)
        dripped = await exchange(wires, *(bytes([byte]) for byte in (fault + SMUGGLED)[:700]))
        for answers in (whole, dripped):
            assert [answer.status for answer in answers] == [400], name
            assert answers[0].detail
        behind = await exchange(wires, GET + post() + fault + SMUGGLED)
        assert [answer.status for answer in behind] == [200, 200, 400], name
        assert await ids(wires) == ["m-1"], name
    refused = [line for line in wires.service.log_lines() if line["status"] == 400]
    assert [line["level"] for line in refused] == ["WARNING"] * 3 * len(faults)
    assert b"ERROR" not in wires.service.log_output()


async def test_what_lies_behind_would_be_stored_were_it_a_request(wires: Wires) -> None:
    assert [answer.status for answer in await exchange(wires, SMUGGLED + LAST)] == [200, 200]
    assert await ids(wires) == ["smuggled"]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_what_is_merely_odd_is_accepted(wires: Wires, odd: bytes) -> None:
    for pieces in ([odd + LAST], [bytes([byte]) for byte in odd + LAST]):
        answers = await exchange(wires, *pieces)
        assert [answer.status for answer in answers] == [200, 200]
    assert await ids(wires) == ["m-1"]


@pytest.mark.parametrize("place", ["name", "value"])
async def test_no_control_character_gets_into_a_field(wires: Wires, place: str) -> None:
    for code in (*range(ord("\t")), *range(ord("\n"), ord(" ")), 0x7F):
        before, after = ("X-", ": a") if place == "name" else ("X-A: a", "b")
        webhook = post(BODY, f"{before}{chr(code)}{after}")
        answers = await exchange(wires, webhook + SMUGGLED)
        assert [answer.status for answer in answers] == [400], code
    assert await ids(wires) == []


async def test_100_000_fields_are_too_many(wires: Wires) -> None:
    answers = await exchange(wires, head(*["X-A: a"] * 100_000) + SMUGGLED)
    assert [answer.status for answer in answers] == [431]
    assert await ids(wires) == []


@pytest.mark.parametrize(
    ("begin", "more", "end"),
    [
        pytest.param(b"0\r\nX-A: ", b"a" * 2_048, b"\r\n\r\n", id="a trailer"),
        pytest.param(b"0\r\n", b"X-A: a\r\n" * 256, b"\r\n", id="trailers"),
        pytest.param(b"0;a=", b"a" * 2_048, b"\r\n\r\n", id="the extension of a chunk"),
        pytest.param(b"", b"0" * 2_048, b"\r\n\r\n", id="the size of a chunk"),
    ],
)
async def test_what_is_around_chunks_has_a_bound(
    wires: Wires, begin: bytes, more: bytes, end: bytes
) -> None:
    """The parser holds a trailer until it is whole, and copies it again with every piece."""
    pieces = [more] * (HEAD_BYTES_MAX // len(more) - 1)
    for last, status in (([end], 401), ([more] * 512, 431)):
        start = head(CHUNKED, "Connection: close") + begin
        answers = await exchange(wires, start, *pieces, *last)
        assert [answer.status for answer in answers] == [status]


# What is told of a refusal


@pytest.mark.parametrize(
    ("request_", "status", "method", "path"),
    [
        pytest.param(b"garbage", 400, "", "", id="a word"),
        pytest.param(b"GET /stats HTTP/9.9\r\n", 400, "GET", "/stats", id="a version"),
        pytest.param(get("POST /webhook?secret HTTP/1.1"), 400, "POST", "/webhook", id="no Host"),
        pytest.param(get("GET /secret?%zz#a HTTP/1.1"), 400, "GET", "/secret", id="a fragment"),
        pytest.param(get("GET http://u:secret@a HTTP/1.1"), 400, "GET", "", id="a password"),
        pytest.param(get("CONNECT secret:80 HTTP/1.1"), 400, "CONNECT", "", id="CONNECT"),
        pytest.param(in_chunks(b"x\r\n"), 400, "POST", "/webhook", id="a chunk"),
        pytest.param(
            head("X-A: " + "a" * HEAD_BYTES_MAX), 431, "POST", "/webhook", id="a long head"
        ),
    ],
)
async def test_a_refused_request_has_a_line_and_is_counted(
    wires: Wires, request_: bytes, status: int, method: str, path: str
) -> None:
    (answer,) = await exchange(wires, request_)
    metrics = await scrape(wires)
    (line,) = [line for line in wires.service.log_lines() if line["path"] != "/metrics"]
    told = (line["method"], line["path"], line["status"], line["level"])
    assert told == (method, path, status, "WARNING")
    assert line["request_id"] == answer.headers["x-request-id"]
    known = path if path in PATHS else "unmatched"
    labels = f'method="{method if method in METHODS else "other"}",path="{known}"'
    assert metrics[f'http_requests_total{{{labels},status="{status}"}}'] == 1
    assert metrics[f"http_request_duration_seconds_count{{{labels}}}"] == 1


async def exchange(wires: Wires, *pieces: bytes) -> list[Answer]:
    """All that is answered on a connection of its own; the service has to close it."""
    wire = await wires.connect()
    with contextlib.suppress(ConnectionError):
        await wire.send(*pieces)
    return await wire.answers()


async def ids(wires: Wires) -> list[str]:
    """What is stored, asked on a new connection."""
    wire = await wires.connect()
    await wire.send(b"GET /messages HTTP/1.1\r\nHost: a\r\n\r\n")
    page = json.loads((await wire.answer()).body)
    assert page["total"] == len(page["data"])
    return [row["message_id"] for row in page["data"]]


async def scrape(wires: Wires) -> dict[str, float]:
    wire = await wires.connect()
    await wire.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    return samples((await wire.answer()).body.decode())
