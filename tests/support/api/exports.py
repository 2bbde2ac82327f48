"""Messages to export, parsers of both formats, and a counter of pages."""

import csv
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from service.messages.instants import format_instant
from service.messages.message import decode_message
from service.store.interface import Row
from service.store.sqlite.read_only import SqliteReader
from tests.support.api.lists import ANNA, BERT, CARL, row
from tests.support.kinds import StoreClass, store_of
from tests.support.service import ROOT, WAIT_SECONDS, Json, Service, encode, message

PATH = "/messages/export"
LARGE_MESSAGES = 6_000
"""With long texts they fill every buffer between the service and a client that does not read."""


SOME = [
    row("1", ANNA, BERT, "1969-12-31T23:59:59.9Z", "Hello"),
    row("2", BERT, ANNA, "2025-01-15T10:00:00.000001Z", "hello, Bert"),
    row("3", ANNA, BERT, "2025-01-15T10:00:00.000001Z", ""),
    row("4", ANNA, CARL, "2025-01-15T10:00:00.000002Z", '100% "sure"\r\n_really_\n\r'),
    row("5", ANNA, BERT, "2025-01-15T10:00:01Z", None),
    row('6",\n=1', BERT, BERT, "2025-01-15T10:00:01.5Z", "=cmd|' /C calc'!A0 ΣΊΣΥΦΟΣ 👍\u2028"),
]
QUERIES: list[Json] = [
    {},
    {"from": ANNA},
    {"to": BERT},
    {"from": ANNA, "to": BERT},
    {"from": CARL},
    {"since": "2025-01-15T10:00:00.000001Z"},
    {"until": "2025-01-15T10:00:00.000002Z"},
    {"since": "2025-01-15T10:00:00.000001Z", "until": "2025-01-15T10:00:00.000002Z"},
    {"since": "2025-01-15T10:00:01Z", "until": "2025-01-15T10:00:00Z"},
    {"q": "HELLO"},
    {"q": "e"},
    {"q": "%"},
    {"q": "σίσυφοσ"},
    {"q": "nowhere"},
    {"q": "e", "from": ANNA, "to": CARL, "since": "2025-01-15T10:00:00Z"},
]


def large(count: int = LARGE_MESSAGES) -> list[Json]:
    """Messages of about 4 KiB each."""
    return [
        message(message_id=f"m-{number:06}", ts=format_instant(number), text=f"{number:4096}")
        for number in range(count)
    ]


async def fill(url: str, contents: Iterable[Json]) -> None:
    """Store messages in a database."""
    store = store_of(url)
    await store.open()
    try:
        rest = iter(contents)
        while batch := list(itertools.islice(rest, 1_000)):
            await store.insert([decode_message(encode(content)) for content in batch])
        await store.index_all()
    finally:
        await store.close()


async def listed(service: Service, query: Json) -> list[Json]:
    """All matches, from a walk along GET /messages."""
    found: list[Json] = []
    cursor: Json = {}
    while True:
        answer = await service.get("/messages?" + urlencode({"limit": 2, **query, **cursor}))
        found += answer.json()["data"]
        if answer.json()["next"] is None:
            return found
        cursor = {"cursor": answer.json()["next"]}


def parse_ndjson(text: str) -> list[Json]:
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def parse_csv(text: str) -> list[Json]:
    """The rows by the names in the first line. This parser reads a null as an empty text."""
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def parse_excel(text: str) -> list[Json]:
    """The cells as they were, after a check that a spreadsheet takes none for a formula."""
    assert text.startswith("\ufeff")
    found = parse_csv(text[1:])
    for cells in found:
        assert not [cell for cell in cells.values() if cell.startswith(tuple("=+-@\t\r"))]
    return [{name: cell.removeprefix("'") for name, cell in cells.items()} for cells in found]


def without_null(contents: list[Json]) -> list[Json]:
    return [content | {"text": content["text"] or ""} for content in contents]


class Pages:
    """Counts the pages that are read, and calls `at[n]` before page n."""

    def __init__(self, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.sizes: list[int] = []
        self.at: dict[int, Callable[[], object]] = {}
        for reading in {store_class, SqliteReader}:
            monkeypatch.setattr(reading, "page", self._counting(reading.page))

    def _counting(self, page: Callable[..., Awaitable[list[Row]]]) -> Callable[..., Any]:
        async def counted(store: Any, *arguments: Any) -> list[Row]:
            self.count += 1
            if self.count in self.at:
                self.at[self.count]()
            rows = await page(store, *arguments)
            self.sizes.append(len(rows))
            return rows

        return counted


def fail(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


COMMAND = [sys.executable, "-W", "error", "-m", "service", "export"]


class Done(NamedTuple):
    """The exit code and the outputs of a process."""

    code: int
    output: str
    errors: str


def export(*arguments: str, **environment: str) -> Done:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
