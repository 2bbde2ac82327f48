"""Connections that the service closes after an answer: every byte of the answer arrives."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import ServiceProcess, serving
from tests.support.service import encode, message, parse_lines, signature

BODY_BYTES = 3 * 2**20
"""More than the buffers of both ends hold, and more than MAX_BODY_BYTES."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with serving(tmp_path_factory.mktemp("closing")) as process:
        yield process


def talk(port: int, request: bytes) -> bytes:
    """Send a whole request, and then read until the service closes. Raises at a reset."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
        return answer


def post(target: str, version: str, body: bytes, *fields: str) -> bytes:
    head = [f"POST {target} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*head, "\r\n"]).encode() + body


@pytest.mark.parametrize(
    ("version", "fields"), [("1.1", ("Connection: close",)), ("1.0", ())], ids=["close", "1.0"]
)
@pytest.mark.parametrize(
    ("target", "status"), [("/webhook", b"413"), ("/nothing", b"404"), ("/stats", b"405")]
)
def test_the_answer_to_a_body_that_is_not_read_arrives(
    service: ServiceProcess, target: str, status: bytes, version: str, fields: tuple[str, ...]
) -> None:
    request = post(target, version, b"a" * BODY_BYTES, *fields)
    for _ in range(10):
        answer = talk(service.port, request)
        assert answer.split(b" ", 2)[1] == status
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head


def test_the_answer_to_a_request_with_expect_arrives(service: ServiceProcess) -> None:
    """The client sends its body at once, though it asked for a 100."""
    fields = ("Connection: close", "Expect: 100-continue")
    answer = talk(service.port, post("/nothing", "1.1", b"a" * BODY_BYTES, *fields))
    assert answer.split(b" ", 2)[1] == b"404"


def test_bytes_after_an_answer_are_no_request(service: ServiceProcess) -> None:
    """What follows on a connection that the service closes is discarded, not served."""
    body = encode(message(message_id="hidden"))
    hidden = post("/webhook", "1.1", body, f"X-Signature: {signature(body)}")
    first = post("/nothing", "1.1", b"a" * 1_000, "Connection: close")
    answer = b""
    with suppress(ConnectionError):
        answer = talk(service.port, first + hidden)
    assert answer.count(b"HTTP/1.1") <= 1
    assert service.get("/messages").json()["data"] == []


def test_a_client_that_never_stops_sending_is_cut_off(service: ServiceProcess) -> None:
    head = post("/webhook", "1.1", b"", "Connection: close")
    head = head.replace(b"Content-Length: 0", b"Content-Length: 1000000000")
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):  # noqa: PT012 - where it breaks depends on buffers
            for _ in range(1_000):
                connection.sendall(b"a" * 1_000_000)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_for_http_1_0_has_no_chunks(tmp_path: Path, form: str) -> None:
    with serving(tmp_path) as process:
        for number in range(700):  # more than one page
            assert process.deliver(message(message_id=f"m{number:03d}")).status_code == 200
        expected = process.get(f"/messages/export?format={form}").content
        request = f"GET /messages/export?format={form} HTTP/1.0\r\n\r\n".encode()
        head, _, body = talk(process.port, request).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert body == expected
        if form == "ndjson":
            assert len(parse_lines(body)) == 700
        empty = talk(process.port, b"GET /messages/export?q=nothing HTTP/1.0\r\n\r\n")
        assert empty.endswith(b"\r\n\r\n")
        head_only = talk(process.port, b"HEAD /messages/export HTTP/1.0\r\n\r\n")
        assert head_only.endswith(b"\r\n\r\n")
