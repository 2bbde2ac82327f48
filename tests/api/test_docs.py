"""GET /docs: one page that shows the whole API, without another host."""

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
from collections.abc import MutableMapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from service.api.docs import FOLDER, accepts_gzip, escape_script
from tests.support.api.openapi import DOCUMENT, operations, resolve
from tests.support.processes import serving
from tests.support.service import Json, Service
from tests.support.wires import served

pytestmark = pytest.mark.anyio

README = (FOLDER / "README.md").read_text("utf-8")


class Page(HTMLParser):
    """The content of a page's scripts and styles, and the addresses that it refers to."""

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
    # Under this policy a browser refuses every request to another host.
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


def shown(tmp_path: Path, fragment: str = "") -> str:
    """The page's elements, as Chromium renders them. It can reach no other host."""
    browser = browser_or_skip()
    with serving(tmp_path) as process:
        done = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                *("--virtual-time-budget=10000", "--dump-dom", process.url + "/docs" + fragment),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout


def browser_or_skip() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("there is no Chromium here to show the page")


def test_a_browser_shows_every_operation_without_another_host(tmp_path: Path) -> None:
    pattern = r'opblock-summary-method">(\w+)<.*?data-path="([^"]+)"'
    found = re.findall(pattern, shown(tmp_path))
    visible = {(method, path) for path, method, _ in operations() if method != "HEAD"}
    assert set(found) == visible
    assert len(found) == len(visible)


@pytest.mark.parametrize(("path", "method"), [("/webhook", "post"), ("/messages", "get")])
def test_a_browser_shows_the_parameters(tmp_path: Path, path: str, method: str) -> None:
    """Swagger UI cannot follow a reference in a path's parameters, only in an operation's."""
    operation = resolve(DOCUMENT["paths"][path][method])
    page = shown(tmp_path, f"#/{operation['tags'][0]}/{operation['operationId']}")
    found = re.findall(r'data-param-name="([^"]*)" data-param-in="([^"]*)"', page)
    assert found == [(each["name"], each["in"]) for each in operation["parameters"]]
