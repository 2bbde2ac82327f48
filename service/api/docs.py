"""GET /openapi.json and GET /docs: the API, described for programs and for people.

Neither needs the READ_TOKEN: they hold no message, and a browser sends no token with a page.
"""

import asyncio
import base64
import functools
import gzip
import hashlib
import re
from pathlib import Path
from string import Template
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from service.api.answers import Headers, send_json, send_pieces

FILE = Path(__file__).parent / "openapi.json"
FOLDER = Path(__file__).parent / "docs_page"

_no_weight = re.compile(rb"\s*q=0(\.0*)?\s*").fullmatch


class Description:
    """Answers the OpenAPI document: `openapi.json`, as it is."""

    def __init__(self) -> None:
        self._content = FILE.read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, self._content)


class Docs:
    """Answers the page that shows the document: Swagger UI, in one answer.

    The page is made at its first request. Its security policy names the scripts by their digests,
    and allows requests to this service alone: the browser itself refuses any other host.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = await asyncio.to_thread(read_page)
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", page.policy),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"max-age=3600"),
            (b"vary", b"accept-encoding"),
        ]
        body = page.html
        if accepts_gzip(scope["headers"]):
            body = page.compressed
            headers.append((b"content-encoding", b"gzip"))
        await send_pieces(send, body, headers)


class DocsPage(NamedTuple):
    """The page, plain and compressed with gzip, and its Content-Security-Policy."""

    html: bytes
    compressed: bytes
    policy: bytes


@functools.cache
def read_page() -> DocsPage:
    """The page, made of the files in FOLDER."""
    library, start = (
        escape_script((FOLDER / name).read_text("utf-8"))
        for name in ("swagger-ui/swagger-ui-bundle.js", "start.js")
    )
    style = (FOLDER / "swagger-ui/swagger-ui.css").read_text("utf-8")
    template = Template((FOLDER / "page.html").read_text("utf-8"))
    html = template.substitute(style=style, library=library, start=start).encode()
    policy = (
        f"default-src 'none'; script-src {_digest(library)} {_digest(start)};"
        f" style-src {_digest(style)}; img-src data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return DocsPage(html, gzip.compress(html, mtime=0), policy.encode())


def escape_script(script: str) -> str:
    """The same script, safe inside an HTML element.

    Three sequences would end the element, or hide its end (HTML Living Standard, 4.12.1.3).
    """
    return re.sub(r"<(?=!--|/?script)", r"\\x3C", script, flags=re.IGNORECASE)


def accepts_gzip(headers: Headers) -> bool:
    """Whether Accept-Encoding lists gzip or `*` with a weight above 0 (RFC 9110, 12.5.3)."""
    listed = b",".join(value for name, value in headers if name == b"accept-encoding")
    codings = (coding.partition(b";") for coding in listed.lower().split(b","))
    weights = {coding.strip(): weight for coding, _, weight in codings}
    weight = weights.get(b"gzip", weights.get(b"*"))
    return weight is not None and not _no_weight(weight)


def _digest(content: str) -> str:
    """The source expression of a Content-Security-Policy that allows exactly this content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
