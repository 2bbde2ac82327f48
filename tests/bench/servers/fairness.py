"""What every server must answer before it is measured: the contract's refusals.

The service also accepts a few rare forms, such as an offset of `ts`, which the baselines refuse.
"""

import hashlib
import hmac
import http.client
import json
from typing import Any

from tests.bench.servers.processes import Target, running
from tests.bench.traffic.requests import SECRET
from tests.measure.places import scratch

VALID = {
    "message_id": "m-1",
    "from": "+14155550100",
    "to": "+18005550199",
    "ts": "2026-01-15T10:00:00Z",
    "text": "Hello",
}

BROKEN_FIELDS: dict[str, list[Any]] = {
    "message_id": ["", " \t", "x" * 256, "a\0b", 1, None],
    "from": ["14155550100", "+0155550100", "+1", "+1234567890123456", "+1415555 010", "+1415\n"],
    "to": ["", "+1800555019x", None],
    "ts": [
        "2026-02-30T10:00:00Z",
        "2026-01-15T24:00:00Z",
        "2026-01-15T10:00:00",
        "2026-01-15 10:00:00Z",
        "2026-W03-4T10:00:00Z",
    ],
    "text": ["x" * 4097, 1],
}

ACCEPTED = [
    VALID,
    VALID,
    VALID | {"message_id": "x" * 255, "text": "語" * 4096, "more": [1]},
    VALID | {"message_id": "m-2", "text": None, "ts": "2026-01-15T10:00:00.123456Z"},
    VALID | {"message_id": "m-3", "from": "+12", "to": "+123456789012345"},
]

REFUSED_BODIES = [
    b"",
    b"[]",
    b"{",
    json.dumps(VALID).encode().replace(b"Hello", b"\xff"),
    *(
        json.dumps(VALID | {field: value}).encode()
        for field, values in BROKEN_FIELDS.items()
        for value in values
    ),
    *(
        json.dumps({k: v for k, v in VALID.items() if k != field}).encode()
        for field in VALID
        if field != "text"
    ),
]


def check(target: Target) -> list[str]:
    """What `target` answers otherwise than the contract says; empty where all is well."""
    with scratch() as folder, running(target, folder / "app.db") as server:
        return complaints(server.port)


def complaints(port: int) -> list[str]:
    """What the server on `port` answers otherwise than the contract says."""
    found = []
    for number, message in enumerate(ACCEPTED):
        body = json.dumps(message).encode()
        for signature in (sign(body), sign(body).upper(), "sha256=" + sign(body)):
            status = post(port, body, signature)
            if status != 200:
                found.append(f"accepted message {number}: {status}")
    for body in REFUSED_BODIES:
        status = post(port, body, sign(body))
        if status != 422:
            found.append(f"{body[:200]!r}: {status} and not 422")
    body = json.dumps(VALID).encode()
    for signatures in ((), ("0" * 64,), ("é",), (sign(body),) * 2, (sign(body + b" "),)):
        status = post(port, body, *signatures)
        if status != 401:
            found.append(f"signatures {signatures}: {status} and not 401")
    body = json.dumps(VALID | {"more": "x" * 1_048_576}).encode()
    if post(port, body, sign(body)) != 413:
        found.append("a body of more than 1 MiB: not 413")
    return found


def sign(body: bytes) -> str:
    """A signature, made without the code of any of the servers."""
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def post(port: int, body: bytes, *signatures: str) -> int:
    """Deliver a webhook with these `X-Signature` headers; the status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("POST", "/webhook")
        for signature in signatures:
            connection.putheader("X-Signature", signature.encode())
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()
