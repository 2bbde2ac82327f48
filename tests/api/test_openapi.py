"""GET /openapi.json and GET /docs: the API, described for programs and for people."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, MutableMapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from service.api import export, messages
from service.api.docs import FOLDER, accepts_gzip, escape_script
from service.app import PATHS
from tests.api.test_authorization import PROTECTED
from tests.api.test_errors import ALLOWED
from tests.support.processes import ServiceProcess, clean_environment, serving
from tests.support.service import ROOT, Json, Service, message, running
from tests.support.wires import served

pytestmark = pytest.mark.anyio

TOKEN = "the-token"


@pytest.fixture
async def document(service: Service) -> Json:
    return await document_of(service)


async def document_of(service: Service) -> Json:
    response = await service.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    found: Json = response.json()
    return found


def operations_of(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Each operation with its path and its method."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


# The document


async def test_it_is_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()  # by the official schema


async def test_it_has_the_routes_and_nothing_else(service: Service, document: Json) -> None:
    described = {(path, method) for path, method, _ in operations_of(document)}
    routes = service.app._routes()
    assert described == {(route.path, name) for route in routes for name in route.methods or ()}
    assert described == {(path, name) for path, names in ALLOWED.items() for name in names}
    assert set(document["paths"]) == set(PATHS), "else the metrics count them as unmatched"


@pytest.mark.parametrize(
    ("path", "names"),
    [("/messages", messages.PARAMETERS), ("/messages/export", export.PARAMETERS)],
)
async def test_it_has_the_parameters_that_are_parsed(
    document: Json, path: str, names: tuple[str, ...]
) -> None:
    for method in ("get", "head"):
        parameters = document["paths"][path][method]["parameters"]
        assert tuple(found["name"] for found in parameters if found["in"] == "query") == names


async def test_every_operation_has_an_id_of_its_own(document: Json) -> None:
    ids = [operation["operationId"] for _, _, operation in operations_of(document)]
    assert len(set(ids)) == len(ids)


async def test_it_asks_for_a_token_where_the_service_does(tmp_path: Path, document: Json) -> None:
    assert not any("security" in operation for _, _, operation in operations_of(document))
    assert "securitySchemes" not in document["components"]
    async with running(tmp_path, READ_TOKEN=TOKEN) as protected:
        other = await document_of(protected)
    for path, _, operation in operations_of(other):
        assert operation.get("security") == ([{"readToken": []}] if path in PROTECTED else None)
        assert ("401" in operation["responses"]) == (path in (*PROTECTED, "/webhook"))


async def test_its_patterns_are_those_of_json_schema(document: Json) -> None:
    # ECMA-262 takes Python's \A and \Z for the letters.
    assert r"\A" not in str(document)
    assert r"\Z" not in str(document)
    assert document["components"]["schemas"]["WebhookBody"]["properties"]["from"]["pattern"] == (
        r"^\+[1-9][0-9]{1,14}$"
    )


async def test_white_space_is_the_same_to_both(document: Json) -> None:
    schema = document["components"]["schemas"]["WebhookBody"]["properties"]["message_id"]
    validator = jsonschema_rs.validator_for(schema)
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code <= 0xDFFF]
    assert [character for character in characters if not validator.is_valid(character)] == [
        character for character in characters if character.isspace() or character == "\0"
    ]


async def test_every_example_is_one(document: Json) -> None:
    seen = 0
    for _, _, operation in operations_of(document):
        contents = [answer.get("content", {}) for answer in operation["responses"].values()]
        contents += [answer["content"] for answer in document["components"]["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        for content in (found for by_type in contents for found in by_type.values()):
            schema = content["schema"] | {"components": document["components"]}
            examples = [found["value"] for found in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            for example in examples:
                jsonschema_rs.validate(schema, example)
                seen += 1
    assert seen > 50


async def test_the_example_is_signed_for_the_secret_of_just_run(
    tmp_path: Path, document: Json
) -> None:
    operation = document["paths"]["/webhook"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    # As JSON.stringify(example, null, 2) writes it, and with it the page.
    body = json.dumps(example, indent=2).encode()
    headers = {
        parameter["name"]: parameter["example"]
        for parameter in operation["parameters"]
        if parameter["name"] == "X-Signature"
    }
    async with running(tmp_path, WEBHOOK_SECRET="dev-secret") as service:
        assert (await service.deliver(body, headers)).json() == {"status": "ok"}
        assert (await service.get("/messages")).json()["data"] == [example]
    assert "dev-secret" in (ROOT / "justfile").read_text()


@pytest.mark.parametrize(
    ("status", "request_bytes"),
    [
        (400, b"nonsense\r\n\r\n"),
        (431, b"GET /messages?q=" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ],
)
async def test_what_is_refused_before_it_has_a_route_is_told_for_each(
    tmp_path: Path, document: Json, status: int, request_bytes: bytes
) -> None:
    async with served(tmp_path) as wires:
        wire = await wires.connect()
        await wire.send(request_bytes)
        answer = await wire.answer()
    assert answer.status == status
    for _, _, operation in operations_of(document):
        reference = operation["responses"][str(status)]["$ref"]
        described = document["components"]["responses"][reference.rpartition("/")[2]]
        assert described["content"]["application/json"]["example"] == {"detail": answer.detail}


async def test_the_limit_of_a_body_is_that_of_this_service(tmp_path: Path) -> None:
    async with running(tmp_path, MAX_BODY_BYTES="1234") as service:
        operation = (await document_of(service))["paths"]["/webhook"]["post"]
        detail = (await service.deliver(b" " * 1235)).json()["detail"]
    assert "1,234 bytes" in operation["requestBody"]["description"]
    too_large = operation["responses"]["413"]["content"]["application/json"]["examples"]
    assert [example["value"] for example in too_large.values()] == [{"detail": detail}]


# The service, held to it


@pytest.mark.timeout(300)  # 10 s, and many times that on a machine that is busy
def test_the_service_does_what_it_says(tmp_path: Path) -> None:
    """schemathesis, with every check and in every phase, against a process."""
    with serving(tmp_path, READ_TOKEN=TOKEN) as process:
        for number in range(120):
            minute = f"2025-01-15T10:{number % 60:02d}:00Z"
            process.deliver(message(message_id=f"m-{number}", ts=minute)).raise_for_status()
        output = run_schemathesis(process, tmp_path)
    assert "No issues found" in output
    assert "WARNINGS" not in output
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in output
    operations = sum(map(len, ALLOWED.values()))
    assert f"Selected: {operations}/{operations}" in output
    assert f"Tested: {operations}" in output
    lines = process.log_lines()
    assert not [line for line in lines if line["status"] >= 500]
    # What it did not reach, it did not try.
    answered = {(line["path"], line["method"]) for line in lines if line["status"] == 200}
    assert answered == {(path, name) for path, names in ALLOWED.items() for name in names}
    results = {line["result"] for line in lines if "result" in line}
    assert results == {"created", "duplicate", "invalid_signature", "validation_error"}


def run_schemathesis(process: ServiceProcess, folder: Path) -> str:
    """What it prints: the same requests at every run."""
    # From a file: it does not try the operation that it has the document from.
    document = folder / "openapi.json"
    document.write_bytes(process.get("/openapi.json").content)
    done = subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "schemathesis",
            *("--no-color", "run", document, "--url", process.url),
            *("--checks", "all", "--generation-deterministic", "--max-examples", "12"),
            *("--header", f"Authorization: Bearer {TOKEN}"),
        ],
        cwd=folder,
        env=clean_environment(
            SCHEMATHESIS_HOOKS="tests.support.schemathesis_hooks",
            PYTHONPATH=str(ROOT),
            NO_PROXY="127.0.0.1",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# The page


class Page(HTMLParser):
    """What an HTML page is made of: what stands in its elements, and what they refer to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.content: dict[str, list[str]] = {"script": [], "style": []}
        self.references: list[str] = []
        self._tag = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        if tag in self.content:
            self.content[tag].append("")
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag in self.content:
            self.content[self._tag][-1] += data


def digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


async def test_the_page_asks_nobody_else_for_anything(service: Service) -> None:
    response = await service.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(response.text)
    assert page.references == ["data:,", "openapi.json"]
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    # With this policy a browser sends no request to another host, whatever a script asks for.
    assert policy == {
        "default-src": "'none'",
        "script-src": " ".join(map(digest, page.content["script"])),
        "style-src": " ".join(map(digest, page.content["style"])),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "validatorUrl: null" in page.content["script"][1]


async def test_the_page_holds_swagger_ui_as_it_was_published(service: Service) -> None:
    listed = re.findall(r"^\| `(\S+)` \| `([0-9a-f]{64})` \|$", README, re.MULTILINE)
    folder = FOLDER / "swagger-ui"
    assert {name for name, _ in listed} == {file.name for file in folder.iterdir()}
    for name, wanted in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted, name
    page = Page((await service.get("/docs")).text)
    assert page.content["style"] == [(folder / "swagger-ui.css").read_text("utf-8")]
    script = page.content["script"][0].replace(r"\x3C", "<")
    assert script == (folder / "swagger-ui-bundle.js").read_text("utf-8").replace(r"\x3C", "<")


README = (FOLDER / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("script", "escaped"),
    [
        ('"<!--"', r'"\x3C!--"'),
        ('"<script>"', r'"\x3Cscript>"'),
        ("/<\\/Script>/", "/<\\/Script>/"),
        ('"</SCRIPT>"', r'"\x3C/SCRIPT>"'),
        ("a<b && c<!d", "a<b && c<!d"),
    ],
)
def test_a_script_can_stand_in_a_page(script: str, escaped: str) -> None:
    assert escape_script(script) == escaped


@pytest.mark.parametrize(
    ("values", "is_accepted"),
    [
        ([], False),
        ([b""], False),
        ([b"gzip"], True),
        ([b"deflate, GZIP;q=0.5"], True),
        ([b"br", b"gzip"], True),
        ([b"*"], True),
        ([b"gzip;q=0"], False),
        ([b"gzip; q=0.000"], False),
        ([b"*, gzip;q=0"], False),
        ([b"identity, br"], False),
        ([b"xgzip"], False),
        ([b"\xff;;,,gzip;q=\xff"], True),
    ],
)
def test_who_gets_it_compressed(values: list[bytes], is_accepted: bool) -> None:
    assert accepts_gzip([(b"accept-encoding", value) for value in values]) == is_accepted


async def test_the_page_is_the_same_compressed_or_not(tmp_path: Path) -> None:
    async with served(tmp_path) as wires:
        bodies = []
        for coding in (b"identity", b"gzip"):
            wire = await wires.connect()
            await wire.send(
                b"GET /docs HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %b\r\n\r\n" % coding
            )
            answer = await wire.answer()
            assert answer.headers.get("content-encoding", "identity") == coding.decode()
            assert answer.headers["vary"] == "accept-encoding"
            bodies.append(answer.body)
    assert gzip.decompress(bodies[1]) == bodies[0]
    assert len(bodies[1]) < 600_000


async def test_the_page_is_cut_to_pieces_for_whoever_is_slow(service: Service) -> None:
    sizes: list[int] = []
    scope = {"type": "http", "method": "GET", "path": "/docs", "headers": [], "query_string": b""}

    async def receive() -> Json:
        return {"type": "http.disconnect"}

    async def send(event: MutableMapping[str, Any]) -> None:
        sizes.append(len(event.get("body", b"")))

    await service.app(scope, receive, send)
    assert sum(sizes) > 1_000_000
    assert max(sizes) <= 65_536


def browser_or_skip() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("there is no Chromium here to show the page")


def test_a_browser_shows_every_operation_without_another_host(tmp_path: Path) -> None:
    browser = browser_or_skip()
    with serving(tmp_path) as process:
        done = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                *("--virtual-time-budget=10000", "--dump-dom", process.url + "/docs"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    shown = re.findall(r'opblock-summary-method">(\w+)<.*?data-path="([^"]+)"', done.stdout)
    visible = {(name, path) for path, names in ALLOWED.items() for name in names - {"HEAD"}}
    assert set(shown) == visible
    assert len(shown) == len(visible)
