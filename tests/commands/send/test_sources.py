"""Every provider as a process of `send`, and the service that stores what it sends."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from service.source_settings import PREFIX
from service.sources.scheme import Scheme
from tests.commands.send.keys import SCHEMES, secrets_of
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import Json

each_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def variable(scheme: Scheme) -> str:
    return f"{PREFIX}{scheme.name.upper().replace('-', '_')}_SECRET"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One that has a source for every scheme."""
    secrets = {variable(scheme): secrets_of(scheme)[1] for scheme in SCHEMES.values()}
    tokens = {
        variable(scheme).replace("_SECRET", "_VERIFY_TOKEN"): "a-token"
        for scheme in SCHEMES.values()
        if scheme.handshake == "meta"
    }
    with serving(tmp_path_factory.mktemp("service"), **secrets, **tokens) as process:
        yield process


def send(service: ServiceProcess, scheme: Scheme, *arguments: str) -> str:
    """The output of a command that must succeed."""
    command = [sys.executable, "-W", "error", "-m", "service", "send", "--url", service.url]
    secret = secrets_of(scheme)[0]
    # A private key is no variable of the service.
    key = ["--secret", secret] if scheme.is_asymmetric else []
    done = subprocess.run(
        [*command, "--scheme", scheme.name, *key, *arguments],
        env=clean_environment(**{} if scheme.is_asymmetric else {variable(scheme): secret}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def events(service: ServiceProcess, scheme: Scheme) -> list[Json]:
    page: list[Json] = service.get(f"/events?source={scheme.name}").json()["data"]
    return page


@each_scheme
def test_what_a_provider_sends_is_stored_once(service: ServiceProcess, scheme: Scheme) -> None:
    output = send(service, scheme, "--count", "4", "--duplicates", "50", "--connections", "1")
    assert "        4  200 OK\n" in output
    stored = events(service, scheme)
    assert len(stored) == 2
    for event in stored:
        assert event["problem"] is None
        assert event["type"] == (scheme.example.type or None)
        assert event["content_type"] == scheme.example.content_type
        assert scheme.signatures[0].header.lower() not in event["headers"]
        assert bool(event["message_ids"]) == bool(scheme.messages)
        for message_id in event["message_ids"]:
            message = service.get(f"/messages/{quote(message_id, safe='')}").json()
            assert message["event"] == {"source": scheme.name, "id": event["id"]}


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
@each_scheme
def test_the_curl_command_works_when_pasted(service: ServiceProcess, scheme: Scheme) -> None:
    before = len(events(service, scheme))
    command = send(service, scheme, "--print-curl")
    done = subprocess.run(["sh", "-c", f"{command.strip()} --fail"], check=False)
    assert done.returncode == 0
    assert len(events(service, scheme)) == before + 1


def test_a_body_of_ones_own_arrives_byte_for_byte(service: ServiceProcess, tmp_path: Path) -> None:
    body = b"\x00\xff not json \r\n"
    (tmp_path / "body").write_bytes(body)
    scheme = SCHEMES["github"]
    send(service, scheme, "--body", str(tmp_path / "body"), "--id", "own/1", "--type", "push")
    assert service.get("/events/github/own%2F1/body").content == body
    assert service.get("/events/github/own%2F1").json()["type"] == "push"


def test_a_wrong_secret_is_refused(service: ServiceProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "send", "--url", service.url, "--scheme", "github"],
        env=os.environ | {"SOURCE_GITHUB_SECRET": "another"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"^ +1  401 Unauthorized: invalid signature$", done.stdout, re.MULTILINE)
