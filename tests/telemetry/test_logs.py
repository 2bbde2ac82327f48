"""The log: one JSON object a line, one line a request, and no secret in any."""

import json
import logging
import re
import socket
from pathlib import Path

import pytest

from service.store.interface import StoreError
from service.store.sqlite.store import SqliteStore
from service.telemetry import logs
from service.telemetry.logs import Log, StandardLogging
from tests.support.processes import serving
from tests.support.service import (
    SECRET,
    UNSIGNED,
    Json,
    encode,
    message,
    parse_lines,
    running,
    signature,
    signed,
)

LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR"}
TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
REQUEST_FIELDS = {
    "ts",
    "level",
    "event",
    "request_id",
    "method",
    "path",
    "client",
    "status",
    "latency_ms",
}


def assert_sound(lines: list[Json]) -> None:
    assert lines
    for line in lines:
        assert TS.fullmatch(line["ts"])
        assert line["level"] in LEVELS
        assert line["event"]


# A whole process


def test_standard_output_is_nothing_but_sound_lines(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        process.deliver(message())
        process.get("/nothing")
        with socket.create_connection(("127.0.0.1", process.port)) as garbage:
            garbage.sendall(b"garbage\r\n\r\n")
            assert garbage.recv(1000)
    lines = parse_lines(process.output)
    assert_sound(lines)
    assert process.output.endswith(b"\n")
    assert [line["status"] for line in lines if line["event"] == "request"] == [200, 404, 400]
    events = [line["event"] for line in lines]
    assert events.index("listening") < events.index("request") < len(events) - 1
    assert lines[0]["event"] == lines[-1]["event"] == "server"


def test_lines_come_in_the_order_of_their_ts(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        for _ in range(20):
            process.get("/health/live")
    stamps = [line["ts"] for line in parse_lines(process.output)]
    assert stamps == sorted(stamps)


# The line of a request


@pytest.mark.anyio
async def test_a_request_has_one_line(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        response = await service.get("/messages?limit=1", **{"X-Request-ID": "mine"})
        other = await service.get("/nothing")
    lines = service.log_lines()
    assert_sound(lines)
    assert [set(line) for line in lines] == [REQUEST_FIELDS] * 2
    assert [(line["method"], line["path"], line["status"], line["level"]) for line in lines] == [
        ("GET", "/messages", 200, "INFO"),
        ("GET", "/nothing", 404, "WARNING"),
    ]
    assert [line["request_id"] for line in lines] == ["mine", other.headers["x-request-id"]]
    assert response.headers["x-request-id"] == "mine"
    assert all(0 < line["latency_ms"] < 60_000 for line in lines)


@pytest.mark.anyio
async def test_what_a_webhooks_line_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    async with running(tmp_path, MAX_BODY_BYTES="1000") as service:
        await service.deliver(message())
        await service.deliver(message())
        await service.deliver(message(text="Other"))
        await service.deliver(message(), {"X-Signature": "false"})
        await service.deliver(message(ts="today"))
        await service.deliver(message(message_id=" ", text=5))
        await service.deliver(b"[]")
        await service.deliver(b" " * 1001)
        monkeypatch.setattr(SqliteStore, "insert", fail)
        await service.deliver(message())
    added = [
        {name: value for name, value in line.items() if name not in REQUEST_FIELDS}
        for line in service.log_lines()
    ]
    assert {line.pop("source") for line in added} == {"webhook"}
    kept = [line.pop("event_id", None) is not None for line in added]
    assert kept == [line["result"] == "validation_error" for line in added]
    assert added == [
        {"result": "created", "message_id": "m-1", "dup": False},
        {"result": "duplicate", "message_id": "m-1", "dup": True},
        {"result": "duplicate", "message_id": "m-1", "dup": True, "conflict": True},
        {"result": "invalid_signature", "reason": "malformed"},
        {
            "result": "validation_error",
            "message_id": "m-1",
            "reason": "ts must be an RFC 3339 instant with Z or an offset, and a real date",
        },
        {
            "result": "validation_error",
            "reason": "text must be null or a string of at most 4,096 characters",
        },
        {"result": "validation_error", "reason": "the body must be a JSON object"},
        {"result": "too_large"},
        {"result": "unavailable", "message_id": "m-1"},
    ]
    levels = [line["level"] for line in service.log_lines()]
    assert levels == ["INFO"] * 3 + ["WARNING"] * 5 + ["ERROR"]


@pytest.mark.anyio
async def test_a_failed_commit_says_why_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(SqliteStore, "insert", fail)
    async with running(tmp_path) as service:
        await service.deliver(message())
    (line,) = service.log_lines("commit_failed")
    assert (line["level"], line["messages"], line["reason"]) == ("ERROR", 1, "disk I/O error")


@pytest.mark.anyio
async def test_a_mistake_of_the_service_is_logged_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("mark")

    monkeypatch.setattr(SqliteStore, "totals", fail)
    async with running(tmp_path) as service:
        await service.get("/stats")
    (line,) = service.log_lines()
    assert (line["level"], line["status"]) == ("ERROR", 500)
    assert line["exception"].startswith("ZeroDivisionError")
    assert "test_logs.py" in line["exception"]
    assert b"mark" not in service.log_output()


@pytest.mark.anyio
async def test_a_read_that_failed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(SqliteStore, "totals", fail)
    async with running(tmp_path) as service:
        await service.get("/stats")
    (line,) = service.log_lines()
    assert (line["level"], line["status"]) == ("ERROR", 503)
    assert "disk I/O error" in line["exception"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("level", "statuses"),
    [
        ("DEBUG", [200, 404, 503]),
        ("info", [200, 404, 503]),
        ("WARNING", [404, 503]),
        ("ERROR", [503]),
    ],
)
async def test_the_level_chooses_the_lines(tmp_path: Path, level: str, statuses: list[int]) -> None:
    async with running(tmp_path, LOG_LEVEL=level, **UNSIGNED) as service:
        await service.get("/health/live")
        await service.get("/nothing")
        await service.get("/health/ready")
    assert [line["status"] for line in service.log_lines()] == statuses


@pytest.mark.anyio
async def test_a_path_can_not_forge_a_line(tmp_path: Path) -> None:
    path = '/a%0A{"ts":"x","level":"INFO","event":"forged"}%0D%0A%00%1B[31m%E2%80%A8%FF'
    async with running(tmp_path) as service:
        await service.get(path)
    assert not service.log_lines("forged")
    (line,) = service.log_lines()
    assert line["path"].startswith('/a\n{"ts"')


@pytest.mark.anyio
async def test_a_long_path_is_cut(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await service.get("/" + "x" * 30_000)
    (line,) = service.log_lines()
    assert len(line["path"]) == 1024


# Private values


@pytest.mark.anyio
async def test_no_line_holds_what_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each private value has its own mark. The requests take every path through the service."""
    content = message(message_id="public-id", text="mark-text", unknown="mark-unknown")
    body = encode(content)
    headers = signed(body, "mark-secret")
    query = "from=%2B49&q=mark-query"

    async def fail(*_: object) -> None:
        raise RuntimeError("mark-text")

    environment = {
        "WEBHOOK_SECRET": "mark-secret",
        "WEBHOOK_SECRET_PREVIOUS": "mark-previous",
        "READ_TOKEN": "mark-token",
        "MAX_BODY_BYTES": "10000",
        "LOG_LEVEL": "DEBUG",
    }
    async with running(tmp_path, **environment) as service:
        for _ in range(2):
            await service.deliver(body, headers)
        await service.deliver(encode(content | {"text": "mark-other"}), headers)
        for odd in (b"mark-no-json", encode(content | {"text": "mark-long" * 1_000})):
            await service.deliver(odd, signed(odd, "mark-secret"))
        await service.deliver(body, {"X-Signature": "mark-signature", "Cookie": "mark-cookie"})
        await service.deliver(b"mark" * 10_000, headers)
        for token in ("mark-token", "mark-wrong-token"):
            for path in (f"/messages?{query}", "/messages?limit=mark-limit", "/stats?mark=mark"):
                await service.get(path, Authorization=f"Bearer {token}")
        await service.get("/nothing?mark=mark")
        for function in ("insert", "page_and_count", "totals"):
            monkeypatch.setattr(SqliteStore, function, fail)
        await service.deliver(body, headers)
        await service.get(f"/messages?{query}", Authorization="Bearer mark-token")
        await service.get("/stats", Authorization="Bearer mark-token")
    output = service.log_output().decode()
    assert {line["status"] for line in service.log_lines()} == {200, 401, 404, 413, 422, 500, 503}
    assert "public-id" in output
    assert "mark" not in output
    for value in (headers["X-Signature"], content["from"], content["to"]):
        assert value not in output


def test_no_line_of_the_server_holds_what_is_private(tmp_path: Path) -> None:
    """Requests that the server refuses: garbage, long heads and odd upgrades."""
    requests = [
        b"mark\r\n\r\n",
        b"GET /stats?mark HTTP/9.9\r\n\r\n",
        b"GET /stats?mark\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /stats HTTP/1.1\r\nHost: a\r\nX-Signature mark\r\n\r\n",
        b"GET /stats HTTP/1.1\r\nHost: a\r\nX-Signature: " + b"mark" * 10_000 + b"\r\n\r\n",
        b"POST /webhook?mark HTTP/1.1\r\nHost: a\r\nContent-Length: mark\r\n\r\nmark",
        b"CONNECT mark:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /stats?mark HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: mark\r\n\r\n",
    ]
    with serving(tmp_path, LOG_LEVEL="DEBUG") as process:
        for request in requests:
            with socket.create_connection(("127.0.0.1", process.port)) as connection:
                connection.sendall(request)
                assert connection.recv(1000).startswith(b"HTTP/1.1 ")
    assert_sound(parse_lines(process.output))
    assert b"mark" not in process.output


@pytest.mark.anyio
async def test_a_false_signature_brings_no_message_id_into_the_log(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await service.deliver(message(message_id="forged"), {"X-Signature": signature(b"")})
    assert b"forged" not in service.log_output()


# Lines of libraries


def test_lines_of_libraries_are_lines_of_ours(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = Log("INFO", file.fileno())
        with StandardLogging.installed(log):
            logger = logging.getLogger("a.library")
            logger.debug("not seen")
            logger.info("seen: %s", 1)
            logger.warning("two\nlines")
            logger.log(35, "between")
            logger.critical("fatal")
            try:
                json.loads("mark")
            except ValueError:
                logger.exception("it failed")
        logger.warning("not ours any more")
        log.close()
    lines = parse_lines((tmp_path / "log").read_bytes())
    assert_sound(lines)
    assert [(line["level"], line["message"]) for line in lines] == [
        ("INFO", "seen: 1"),
        ("WARNING", "two\nlines"),
        ("INFO", "between"),
        ("ERROR", "fatal"),
        ("ERROR", "it failed"),
    ]
    assert lines[-1]["exception"].startswith("JSONDecodeError")
    assert lines[-1]["logger"] == "a.library"


def test_the_secret_of_the_tests_is_no_word_of_the_log() -> None:
    """Otherwise the tests above would prove nothing."""
    assert SECRET not in Path(logs.__file__).read_text()
