"""The caller of a request in its log line: address, trace id, request id."""

import ipaddress
from pathlib import Path

import msgspec
import pytest

from service.api.caller import CallerReader
from tests.support.processes import serving

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def read(peer: str, *forwarded: str, trusted: str = "10.0.0.0/8,fd00::/8") -> str:
    networks = tuple(map(ipaddress.ip_network, trusted.split(","))) if trusted else ()
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope = {"client": (peer, 1), "headers": headers}
    return CallerReader(networks).read(scope).client


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["198.51.100.1, 203.0.113.9, 10.9.9.9"], "203.0.113.9"),
        ("10.1.2.3", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.2.3", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.1.2.3", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.1.2.3", ["unknown"], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1, unknown"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", ["\xff" * 10_000], "10.1.2.3"),
        ("fd00::1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_address_of_the_client(peer: str, forwarded: list[str], client: str) -> None:
    assert read(peer, *forwarded) == client


def test_without_trusted_proxies_no_header_is_believed() -> None:
    assert read("10.1.2.3", "198.51.100.1", trusted="") == "10.1.2.3"


@pytest.mark.parametrize(
    ("value", "trace_id"),
    [
        (TRACEPARENT, TRACE_ID),
        (TRACEPARENT + "-more", None),
        ("cc" + TRACEPARENT[2:], TRACE_ID),
        ("cc" + TRACEPARENT[2:] + "-more", TRACE_ID),
        ("ff" + TRACEPARENT[2:], None),
        (TRACEPARENT.upper(), None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None),
        (TRACEPARENT[:-1], None),
        ("", None),
    ],
)
def test_the_trace_id_of_a_traceparent(value: str, trace_id: str | None) -> None:
    scope = {"client": None, "headers": [(b"traceparent", value.encode())]}
    assert CallerReader(()).read(scope).trace_id == (trace_id or msgspec.UNSET)


def test_a_line_tells_the_caller(tmp_path: Path) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "traceparent": TRACEPARENT, "X-Request-ID": "r1"}
    with serving(tmp_path, TRUSTED_PROXIES="192.0.2.1, 127.0.0.0/8") as process:
        assert process.request("POST", "/webhook", content=b"forged", headers=headers).is_error
        line = process.wait_for_line("request", lambda line: line["request_id"] == "r1")
        assert (line["status"], line["client"]) == (401, "203.0.113.9")
        assert line["trace_id"] == TRACE_ID


def test_a_line_tells_the_peer_unless_it_is_trusted(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        process.request("GET", "/stats", headers={"X-Forwarded-For": "203.0.113.9"})
        line = process.wait_for_line("request")
        assert line["client"] == "127.0.0.1"
        assert "trace_id" not in line


def test_probes_that_succeed_can_have_no_line(tmp_path: Path) -> None:
    probes = ("/health/live", "/health/ready", "/metrics")
    with serving(tmp_path, LOG_PROBES="false") as process:
        for path in probes:
            assert process.get(path).status_code == 200
        assert process.request("POST", "/health/live").status_code == 405
        assert process.get("/stats").status_code == 200
        process.wait_for_line("request", lambda line: line["path"] == "/stats")
        lines = [(line["path"], line["status"]) for line in process.log_lines()]
        assert lines == [("/health/live", 405), ("/stats", 200)]


def test_a_probe_that_fails_has_a_line(tmp_path: Path) -> None:
    with serving(tmp_path, LOG_PROBES="false", WEBHOOK_SECRET="") as process:
        assert process.get("/health/ready").status_code == 503
        assert process.wait_for_line("request")["path"] == "/health/ready"
