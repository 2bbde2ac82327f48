"""A process takes what honest senders write, and says what is wrong with the rest."""

import codecs
import gzip
from pathlib import Path

from tests.support.processes import ServiceProcess, serving
from tests.support.service import SECRET, encode, message, signature, signed


def texts(process: ServiceProcess, query: str = "") -> list[str]:
    """The texts of the stored messages."""
    return [row["text"] for row in process.get(f"/messages{query}").json()["data"]]


def test_bodies_that_are_unusual_are_stored(tmp_path: Path) -> None:
    bodies = [
        encode(message(message_id="1", ts="2026-07-14T13:27:26.534+09:00", text="offset")),
        encode(message(message_id="2", ts="2026-07-14T04:27:27.1234567z", text="digits")),
        encode(message(message_id="3", ts="2026-07-14T04:27:28Z", text="U+0000 \0")),
        encode(message(message_id="4", ts="2026-07-14T04:27:29Z", text="half \ud83d")),
        codecs.BOM_UTF8 + encode(message(message_id="5", ts="2026-07-14T04:27:30Z", text="mark")),
    ]
    with serving(tmp_path) as process:
        for body in bodies:
            answer = process.request("POST", "/webhook", content=body, headers=signed(body))
            assert answer.status_code == 200, answer.text
        expected = ["offset", "digits", "U+0000 \ufffd", "half \ufffd", "mark"]
        assert texts(process) == expected
        assert texts(process, "?since=2026-07-14T13:27:28%2B09:00") == expected[2:]
        first, second = process.get("/messages").json()["data"][:2]
        assert first["ts"] == "2026-07-14T04:27:26.534Z"
        assert second["ts"] == "2026-07-14T04:27:27.123456Z"


def test_a_secret_may_end_with_a_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(codecs.BOM_UTF8 + b"previous\r\n")
    environment = {"WEBHOOK_SECRET": f"{SECRET}\n", "WEBHOOK_SECRET_PREVIOUS_FILE": str(file)}
    body = encode(message())
    with serving(tmp_path, **environment) as process:
        for secret in (SECRET, "previous"):
            headers = signed(body, secret)
            answer = process.request("POST", "/webhook", content=body, headers=headers)
            assert answer.status_code == 200


def test_a_blank_secret_stops_the_start(tmp_path: Path) -> None:
    process = ServiceProcess(tmp_path, {"WEBHOOK_SECRET": " \n"})
    assert process.wait() == 2
    assert process.errors.count("\n") == 1
    assert "WEBHOOK_SECRET must be a secret, and not only white space" in process.errors


def test_a_webhook_may_be_signed_with_two_secrets_and_its_path_may_end_in_a_slash(
    tmp_path: Path,
) -> None:
    body = encode(message())
    both = {"X-Signature": f"sha256={signature(body, 'new')},sha256={signature(body)}"}
    with serving(tmp_path) as process:
        answer = process.request("POST", "/webhook/", content=body, headers=both)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert process.request("POST", "//webhook", content=body, headers=both).status_code == 404
        assert process.wait_for_line("request")["path"] == "/webhook"


def test_a_refusal_is_visible(tmp_path: Path) -> None:
    compressed, broken = gzip.compress(encode(message())), encode(message(ts="today"))
    with serving(tmp_path) as process:
        for body, headers, status in (
            (compressed, signed(compressed) | {"Content-Encoding": "gzip"}, 415),
            (broken, signed(broken), 422),
            (broken, signed(broken, "another"), 401),
        ):
            answer = process.request("POST", "/webhook", content=body, headers=headers)
            assert answer.status_code == status
        exposition = process.get("/metrics").text
    for reason in ("content_encoding", "ts", "mismatch"):
        assert f'webhook_refusals_total{{reason="{reason}",source="webhook"}} 1.0' in exposition
    encoded, invalid, forged = process.log_lines()[:3]
    assert encoded["reason"].startswith("Content-Encoding must be identity")
    assert invalid["reason"].startswith("ts must be an RFC 3339 instant")
    assert invalid["message_id"] == "m-1"
    assert forged["reason"] == "mismatch"
    assert "message_id" not in forged
