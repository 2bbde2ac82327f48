"""What no honest provider sends, to a whole process: a clear answer, and nothing is lost."""

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kinds import environment_of, on_each_database
from tests.support.processes import ServiceProcess, serving
from tests.support.service import SECRET, Json, signature
from tests.support.wires import chunked

pytestmark = on_each_database

BODY = b'{"zen":"Keep it logically awesome."}'
SLACK_TIMES = ("9" * 31, "1" + "0" * 30, "-1", "1e9", "", "\xe9")
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture
def process(tmp_path: Path, database_url: str) -> Iterator[ServiceProcess]:
    sources = {"SOURCE_GITHUB_SECRET": SECRET, "SOURCE_SLACK_SECRET": SECRET}
    with serving(tmp_path, **environment_of(database_url), **sources) as process:
        yield process
        assert not [line for line in process.log_lines() if line["status"] >= 500]


def post(
    process: ServiceProcess, body: bytes, *fields: str, path: str = "/webhook/github"
) -> tuple[int, Json]:
    """Send the bytes of a request as they are, and read the answer."""
    has_end = any(field.startswith((CHUNKED, "Content-Length")) for field in fields)
    length = () if has_end else (f"Content-Length: {len(body)}",)
    head = "\r\n".join(
        [f"POST {path} HTTP/1.1", "Host: a", "Connection: close", *fields, *length, "\r\n"]
    )
    with socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + body)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    first, _, content = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), json.loads(content)


def signed(body: bytes, event_id: str = "d-1") -> list[str]:
    return [f"X-Hub-Signature-256: sha256={signature(body)}", f"X-GitHub-Delivery: {event_id}"]


def event(process: ServiceProcess, event_id: str, source: str = "github") -> Json:
    answer = process.get(f"/events/{source}/{event_id}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def body_of(process: ServiceProcess, event_id: str) -> bytes:
    return process.get(f"/events/github/{event_id}/body").content


OK = (200, {"status": "ok"})
INVALID = (401, {"detail": "invalid signature"})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, id="5,000 objects"),
        pytest.param(b"&".join(b"a%d=%%00" % n for n in range(10_000)), id="10,000 fields"),
        pytest.param(bytes(range(256)), id="every byte"),
    ],
)
def test_a_signed_body_is_kept_whatever_it_is(process: ServiceProcess, body: bytes) -> None:
    assert post(process, body, *signed(body)) == OK
    assert post(process, body, *signed(body)) == OK
    assert body_of(process, "d-1") == body
    assert process.get("/events").json()["next"] is None


@pytest.mark.parametrize(
    "event_id",
    [pytest.param("i" * 300, id="300 characters"), pytest.param("", id="empty")],
)
def test_a_bad_id_is_replaced_by_the_hash(process: ServiceProcess, event_id: str) -> None:
    assert post(process, BODY, *signed(BODY, event_id)) == OK
    found = event(process, hashlib.sha256(BODY).hexdigest())
    assert "the id" in found["problem"]
    assert found["body"] == json.loads(BODY)


def test_an_unknown_source_is_refused_before_its_body(process: ServiceProcess) -> None:
    status, answer = post(process, b"", "Content-Length: 1000000", path="/webhook/stripe")
    assert (status, list(answer)) == (404, ["detail"])


@pytest.mark.parametrize("time", SLACK_TIMES, ids=ascii)
def test_a_time_that_is_none_is_refused(process: ServiceProcess, time: str) -> None:
    digest = signature(f"v0:{time}:".encode("latin-1") + BODY)
    fields = [f"X-Slack-Request-Timestamp: {time}", f"X-Slack-Signature: v0={digest}"]
    assert post(process, BODY, *fields, path="/webhook/slack") == INVALID
    line = process.wait_for_line("request", lambda line: line["path"] == "/webhook/slack")
    assert line["reason"] in ("missing", "malformed", "future")


def test_headers_that_are_not_ascii_are_kept_and_sign_nothing(process: ServiceProcess) -> None:
    assert post(process, BODY, *signed(BODY), "X-Other: \xe9\xff") == OK
    assert event(process, "d-1")["headers"]["x-other"] == "\xe9\xff"
    assert post(process, BODY, "X-Hub-Signature-256: sha256=\xe9") == INVALID


def test_a_trailer_signs_nothing_and_is_no_header(process: ServiceProcess) -> None:
    trailer = "\r\n".join([*signed(BODY), "Content-Encoding: gzip", "X-Late: 1", "\r\n"]).encode()
    frames = chunked(BODY).removesuffix(b"\r\n") + trailer
    assert post(process, frames, CHUNKED) == INVALID
    assert post(process, frames, CHUNKED, *signed(BODY)) == OK
    found = event(process, "d-1")
    assert found["body"] == json.loads(BODY)
    assert "x-late" not in found["headers"]


def test_what_is_refused_after_the_signature_is_kept(process: ServiceProcess) -> None:
    status, answer = post(process, BODY, f"X-Signature: {signature(BODY)}", path="/webhook")
    assert status == 422
    event_id = hashlib.sha256(BODY).hexdigest()
    assert event(process, event_id, "webhook")["problem"] == answer["detail"]
    assert post(process, BODY, *signed(BODY), "Content-Encoding: gzip")[0] == 415
    assert body_of(process, event_id) == BODY


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, database_url: str) -> None:
    environment = environment_of(database_url) | {"SOURCE_GITHUB_SECRET": SECRET}
    with ServiceProcess(tmp_path, environment) as process:
        for number in range(50):
            assert post(process, BODY, *signed(BODY, f"d-{number}")) == OK
        post(process, BODY, f"X-Signature: {signature(BODY)}", path="/webhook")
        process.process.kill()
    with serving(tmp_path, **environment) as process:
        assert len(process.get("/events?source=github&limit=100").json()["data"]) == 50
        assert len(process.get("/events?problem=true").json()["data"]) == 1
