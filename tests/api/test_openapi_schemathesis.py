"""GET /openapi.json: the service, held to the file by schemathesis."""

import asyncio
import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.api.test_authorization import TOKEN
from tests.support.api.events import BODY, event
from tests.support.api.openapi import operations
from tests.support.kinds import store_of
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import ROOT, SECRET, Json, message


@pytest.mark.timeout(300)  # 10 s, and many times that on a machine that is busy
def test_the_service_does_what_it_says(tmp_path: Path) -> None:
    """Run schemathesis, with every check and every phase, against a process."""
    asyncio.run(store_events(f"sqlite:///{tmp_path / 'app.db'}"))
    variables = {
        "READ_TOKEN": TOKEN,
        "SOURCE_GITHUB_SECRET": SECRET,
        "SOURCE_WHATSAPP_SECRET": SECRET,
        "SOURCE_WHATSAPP_VERIFY_TOKEN": SECRET,
    }
    with serving(tmp_path, **variables) as process:
        for number in range(120):
            minute = f"2025-01-15T10:{number % 60:02d}:00Z"
            process.deliver(message(message_id=f"m-{number}", ts=minute)).raise_for_status()
        output = run_schemathesis(process, tmp_path)
    assert "No issues found" in output
    assert "WARNINGS" not in output
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in output
    described = {(path, method) for path, method, _ in operations()}
    assert f"Selected: {len(described)}/{len(described)}" in output
    assert f"Tested: {len(described)}" in output
    lines = process.log_lines()
    assert not [line for line in lines if line["status"] >= 500]
    # An operation that never answered 200 was not tried.
    answered = {
        (
            line["path"]
            .replace("/m-1", "/{message_id}")
            .replace("/github/e-1", "/{source}/{event_id}")
            .replace("/webhook/github", "/webhook/{source}")
            .replace("/webhook/whatsapp", "/webhook/{source}"),
            line["method"],
        )
        for line in lines
        if line["status"] == 200
    }
    assert answered == described
    results = {line["result"] for line in lines if "result" in line}
    assert results == {"created", "duplicate", "invalid_signature", "validation_error"}


async def store_events(url: str) -> None:
    """Of several sources, with bodies of both kinds."""
    events = [
        event(
            f"e-{number}",
            source=source,
            type=None if number % 3 else "push",
            problem=None if number % 2 else "no id",
            body=BODY if number % 2 else b"a=1&b=\xff",
        )
        for number in range(120)
        for source in ("github", "webhook")
    ]
    store = store_of(url)
    await store.open()
    await store.insert([], events)
    await store.close()


def run_schemathesis(process: ServiceProcess, folder: Path) -> str:
    """Run schemathesis with the same requests at every run, and return its output."""
    # From a file: schemathesis does not try the operation that served the document.
    document = folder / "openapi.json"
    document.write_text(json.dumps(with_token(process.get("/openapi.json").json())))
    done = subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "schemathesis",
            *("--no-color", "run", document, "--url", process.url),
            *("--checks", "all", "--generation-deterministic", "--max-examples", "12"),
            *("--header", f"Authorization: Bearer {TOKEN}"),
        ],
        cwd=folder,
        env=clean_environment(
            SCHEMATHESIS_HOOKS="tests.support.api.schemathesis_hooks",
            PYTHONPATH=str(ROOT),
            NO_PROXY="127.0.0.1",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def with_token(document: Json) -> Json:
    """The document without the choice to send no token: this service has a READ_TOKEN."""
    for item in document["paths"].values():
        for operation in item.values():
            if "security" in operation:
                operation["security"].remove({})
    return document
