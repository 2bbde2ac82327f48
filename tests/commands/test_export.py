"""The export, over HTTP and from the command line: all of it, or plainly cut off."""

import asyncio
import csv
import gzip
import io
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import stream
from service.api.export import EXPORTS_MAX
from service.api.stream import (
    CSV,
    CSV_FIELDS,
    FORMATS,
    NDJSON,
    PAGE_BYTES,
    PAGE_MESSAGES_MAX,
    PAGE_MESSAGES_MIN,
    PAGE_SECONDS,
    Walk,
    next_page_messages,
)
from service.commands import compression
from service.commands.export.command import main
from service.messages.instants import format_instant
from service.messages.message import decode_message
from service.store.interface import Filter, QueryTimeout, Row, StoreError
from tests.support.kinds import StoreClass, environment_of, on_each_database, on_sqlite, store_of
from tests.support.processes import NO_TLS, clean_environment, serving
from tests.support.service import (
    ROOT,
    WAIT_SECONDS,
    Json,
    Service,
    encode,
    message,
    running,
    samples,
)
from tests.support.wires import SERVICE_LOOP, Wires, served

pytestmark = [pytest.mark.anyio, on_each_database]

PATH = "/messages/export"
ANNA, BERT, CARL = "+4911", "+4922", "+4933"
LARGE_MESSAGES = 6_000
"""With long texts, more than all the buffers between here and a client that does not read."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the service runs on."""
    return SERVICE_LOOP


@pytest.fixture
async def some(service: Service) -> Service:
    """Messages of which each filter chooses some, delivered out of order."""
    await service.store(*reversed(SOME))
    return service


def row(message_id: str, sender: str, recipient: str, ts: str, text: str | None) -> Json:
    return {"message_id": message_id, "from": sender, "to": recipient, "ts": ts, "text": text}


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


@pytest.fixture(scope="module")
def large_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database is large, made once."""
    folder = tmp_path_factory.mktemp("large")
    asyncio.run(fill(f"sqlite:///{folder / 'app.db'}", large()))
    return folder


@pytest.fixture
def folder(tmp_path: Path, large_database: Path) -> Path:
    """A folder of its own for a test, with a large database."""
    return shutil.copytree(large_database, tmp_path / "large")


async def listed(service: Service, query: Json) -> list[Json]:
    """What a walk along GET /messages sees."""
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
    """The rows by the names of the first line; a text that is not there and one that is empty look
    the same to this parser."""
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def without_null(contents: list[Json]) -> list[Json]:
    return [content | {"text": content["text"] or ""} for content in contents]


class Pages:
    """Counts the pages that are read, and lets something happen at one of them."""

    def __init__(self, store_class: StoreClass, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.sizes: list[int] = []
        self.at: dict[int, Callable[[], object]] = {}
        page = store_class.page

        async def counted(store: Any, *arguments: Any) -> list[Row]:
            self.count += 1
            if self.count in self.at:
                self.at[self.count]()
            rows: list[Row] = await page(store, *arguments)
            self.sizes.append(len(rows))
            return rows

        monkeypatch.setattr(store_class, "page", counted)


@pytest.fixture
def pages(store_class: StoreClass, monkeypatch: pytest.MonkeyPatch) -> Pages:
    return Pages(store_class, monkeypatch)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PAGE_MESSAGES_FIRST", 1)
    monkeypatch.setattr(stream, "PAGE_MESSAGES_MIN", 1)
    monkeypatch.setattr(stream, "PAGE_MESSAGES_MAX", 3)


def fail(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


# What is exported


async def assert_all_is_exported(service: Service, queries: list[Json]) -> None:
    """Whatever is asked for, in both formats, as a walk along GET /messages sees it."""
    for query in queries:
        expected = await listed(service, query)
        answer = await service.get(f"{PATH}?" + urlencode(query))
        assert parse_ndjson(answer.text) == expected, query
        answer = await service.get(f"{PATH}?" + urlencode({**query, "format": "ndjson"}))
        assert parse_ndjson(answer.text) == expected, query
        answer = await service.get(f"{PATH}?" + urlencode({**query, "format": "csv"}))
        assert parse_csv(answer.text) == without_null(expected), query


async def test_an_export_is_what_a_walk_sees(some: Service) -> None:
    await assert_all_is_exported(some, QUERIES)


@pytest.mark.usefixtures("small_pages")
async def test_so_it_is_where_it_takes_many_pages(some: Service) -> None:
    await assert_all_is_exported(some, QUERIES)


@pytest.mark.usefixtures("small_pages")
async def test_so_it_is_where_a_search_takes_too_long(
    some: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SEARCH_SECONDS_MAX", 0)
    await assert_all_is_exported(some, [query for query in QUERIES if "q" in query])


@pytest.mark.usefixtures("small_pages")
async def test_a_search_that_takes_too_long_in_the_middle(some: Service, pages: Pages) -> None:
    expected = await listed(some, {"q": "e"})
    pages.count = 0
    pages.at[2] = fail(QueryTimeout("too long"))
    answer = await some.get(f"{PATH}?q=e")
    assert parse_ndjson(answer.text) == expected
    assert pages.count > 3


async def test_lines_are_the_objects_of_data(some: Service) -> None:
    data = (await some.get("/messages")).content
    lines = (await some.get(PATH)).content.split(b"\n")[:-1]
    assert data.startswith(b'{"data":[' + b",".join(lines) + b'],"total":')


async def test_csv_to_the_byte(some: Service) -> None:
    answer = await some.get(f"{PATH}?format=csv&until=2025-01-15T10:00:01.1Z&from=%2B4911")
    assert answer.content == (
        b"message_id,from,to,ts,text\r\n"
        b'"1",+4911,+4922,1969-12-31T23:59:59.9Z,"Hello"\r\n'
        b'"3",+4911,+4922,2025-01-15T10:00:00.000001Z,""\r\n'
        b'"4",+4911,+4933,2025-01-15T10:00:00.000002Z,"100% ""sure""\r\n_really_\n\r"\r\n'
        b'"5",+4911,+4922,2025-01-15T10:00:01Z,\r\n'
    )


async def test_no_messages(service: Service) -> None:
    answer = await service.get(PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    answer = await service.get(f"{PATH}?format=csv")
    assert (answer.status_code, answer.text) == (200, ",".join(CSV_FIELDS) + "\r\n")


@given(
    st.lists(
        st.builds(
            Row,
            message_id=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            from_msisdn=st.just(ANNA),
            to_msisdn=st.just(BERT),
            ts=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
            text=st.none()
            | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
            | st.text('",\r\n= a'),
        )
    )
)
def test_both_formats_parse_back(rows: list[Row]) -> None:
    shown = [row(each.message_id, ANNA, BERT, format_instant(each.ts), each.text) for each in rows]
    assert parse_ndjson(NDJSON.encode(rows).decode()) == shown
    assert parse_csv((CSV.head + CSV.encode(rows)).decode()) == without_null(shown)


# By cursor, page after page


@pytest.mark.usefixtures("small_pages")
async def test_what_was_there_comes_once_whatever_arrives(some: Service) -> None:
    walk = Walk(some.app._store, Filter(), NDJSON)
    found = parse_ndjson((await walk.next_chunk()).decode())
    number = 0
    while not walk.is_over:
        number += 1
        await some.store(message(message_id=f"early-{number}", ts="1969-01-01T00:00:00Z"))
        await some.store(message(message_id=f"late-{number}", ts="2026-01-01T00:00:00Z"))
        found += parse_ndjson((await walk.next_chunk()).decode())
        assert number < 20
    ids = [content["message_id"] for content in found]
    assert ids[: len(SOME)] == [content["message_id"] for content in SOME]
    assert ids[len(SOME) :][:1] == ["late-1"]
    assert walk.messages == len(ids)


async def test_pages_grow_and_stay_bounded(tmp_path: Path, database_url: str, pages: Pages) -> None:
    await fill(database_url, (message(message_id=str(number), text="") for number in range(20_000)))
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        assert (await service.get(PATH)).text.count("\n") == 20_000
    assert sum(pages.sizes) == 20_000
    assert pages.sizes[0] == stream.PAGE_MESSAGES_FIRST
    assert max(pages.sizes) <= PAGE_MESSAGES_MAX


async def test_pages_of_long_messages_are_short(
    tmp_path: Path, database_url: str, pages: Pages
) -> None:
    await fill(database_url, large(2_000))
    async with running(tmp_path, DATABASE_URL=database_url) as service:
        await service.get(PATH)
    assert max(pages.sizes[1:]) <= max(PAGE_MESSAGES_MIN, PAGE_BYTES / 4_096)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param((500, 1_000, 0.001), 1_000, id="cheap: twice as many"),
        pytest.param((PAGE_MESSAGES_MAX, 1_000, 0.001), PAGE_MESSAGES_MAX, id="not more than that"),
        pytest.param((1_000, PAGE_BYTES * 2, 0.001), 500, id="too many bytes"),
        pytest.param((1_000, 1_000, PAGE_SECONDS * 2), 500, id="too slow"),
        pytest.param((1_000, PAGE_BYTES * 9, PAGE_SECONDS * 9), PAGE_MESSAGES_MIN, id="not fewer"),
        pytest.param((500, 0, 0.001), 1_000, id="nothing found"),
    ],
)
def test_the_next_page(cost: tuple[int, int, float], expected: int) -> None:
    assert next_page_messages(*cost) == expected


# The answer


@on_sqlite
@pytest.mark.parametrize(
    ("form", "content_type"),
    [("ndjson", "application/x-ndjson"), ("csv", "text/csv; charset=utf-8")],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_head(some: Service, method: str, form: str, content_type: str) -> None:
    answer = await some.client.request(method, f"{PATH}?format={form}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == f'attachment; filename="messages.{form}"'
    assert "content-length" not in answer.headers


@pytest.mark.usefixtures("small_pages")
async def test_head_reads_one_page(tmp_path: Path, database_url: str, pages: Pages) -> None:
    await fill(database_url, SOME)
    async with served(tmp_path, DATABASE_URL=database_url) as wires:
        wire = await wires.connect()
        await wire.send(b"HEAD /messages/export HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await wire.answer_head()).status == 200
        assert await wire.rest() == b""
    assert pages.count == 1


@on_sqlite
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("format=", "format must be ndjson or csv"),
        ("format=CSV", "format"),
        ("format=json", "format"),
        ("format=csv&format=csv", "format"),
        ("from=x", "from"),
        ("to=%2B1", "to"),
        ("since=now", "since"),
        ("until=2025-02-29T00:00:00Z", "until"),
        ("q=", "q"),
        ("q=%00", "q"),
        ("q=%FF", "UTF-8"),
        ("q=100%", "percent-encoded"),
        ("q=a&q=b", "q"),
        ("limit=10", "format, from, to, since, until, q"),
        ("offset=0", "format, from, to, since, until, q"),
        ("cursor=x", "format, from, to, since, until, q"),
        ("total=false", "format, from, to, since, until, q"),
        ("x=1", "format, from, to, since, until, q"),
    ],
)
async def test_a_parameter_is_refused_by_name(some: Service, query: str, named: str) -> None:
    answer = await some.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
    assert named in answer.json()["detail"]


async def test_one_line_and_one_count_at_the_end(some: Service) -> None:
    await some.get(f"{PATH}?q=mark")
    metrics = await some.metrics()
    labels = f'{{method="GET",path="{PATH}",status="200"}}'
    assert metrics[f"http_requests_total{labels}"] == 1
    (line,) = [line for line in some.log_lines() if line["path"] == PATH]
    assert (line["status"], line["level"]) == (200, "INFO")
    assert b"mark" not in some.log_output()


# Cut off


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("failing", [2, 3])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreError("disk I/O error"), 503),
        (QueryTimeout("too long"), 503),
        (ZeroDivisionError("a mistake"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failure_in_the_middle_can_be_told_from_the_end(
    tmp_path: Path,
    database_url: str,
    pages: Pages,
    error: Exception,
    status: int,
    failing: int,
    form: str,
) -> None:
    await fill(database_url, SOME)
    pages.at[failing] = fail(error)
    async with served(tmp_path, DATABASE_URL=database_url) as wires:
        async with httpx.AsyncClient(verify=NO_TLS) as client:
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                await client.get(f"http://127.0.0.1:{wires.port}{PATH}?format={form}")
        pages.count = 0
        wire = await wires.connect()
        await wire.send(f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await wire.answer_head()).status == 200
        rest = await wire.rest()
        assert rest
        assert not rest.endswith(b"\r\n0\r\n\r\n")
    lines = [line for line in wires.service.log_lines() if line["path"] == PATH]
    assert [(line["status"], line["level"]) for line in lines] == [(status, "ERROR")] * 2
    assert b"a mistake" not in wires.service.log_output()


@pytest.mark.parametrize("query", ["", "?format=csv", "?q=x"])
async def test_a_failure_before_the_first_byte_is_an_answer(
    some: Service, pages: Pages, query: str
) -> None:
    pages.at[1] = fail(StoreError("disk I/O error"))
    answer = await some.get(PATH + query)
    assert answer.status_code == 503
    assert answer.json() == {"detail": "the database does not answer"}
    assert "retry-after" in answer.headers


def get(path: str = PATH, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "\r\n"]).encode()


async def wait_for_count(wires: Wires, status: int, count: float = 1) -> None:
    """Wait until so many exports have ended with `status`; the service answers meanwhile."""
    name = f'http_requests_total{{method="GET",path="{PATH}",status="{status}"}}'
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            wire = await wires.connect()
            await wire.send(get("/metrics", "Connection: close"))
            if samples((await wire.answer()).body.decode()).get(name, 0) >= count:
                return
            await asyncio.sleep(0.05)


@on_sqlite
async def test_a_client_that_takes_nothing_stops_the_query_and_is_cut_off(
    folder: Path, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.protocol.TAKE_SECONDS", 1.0)
    async with served(folder) as wires:
        wire = await wires.connect()
        wire.stop_reading()
        await wire.send(get())
        await asyncio.sleep(0.5)
        count = pages.count
        await wait_for_count(wires, 499)
        assert pages.count <= count + 1
    assert sum(pages.sizes) < LARGE_MESSAGES
    (line,) = [line for line in wires.service.log_lines() if line["path"] == PATH]
    assert line["level"] == "WARNING"
    messages = [line["message"] for line in wires.service.log_lines("server")]
    assert "Cut off: the client took nothing for 1.0 s" in messages


async def test_a_client_that_is_slow_gets_all_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.protocol.TAKE_SECONDS", 0.5)
    async with served(folder) as wires:
        wire = await wires.connect()
        await wire.send(get(PATH, "Connection: close"))
        await wire.answer_head()
        received = 0
        for _ in range(10):
            await asyncio.sleep(0.2)
            received += len(await wire.some(1 << 20))
        rest = await wire.rest()
    assert rest.endswith(b"\r\n0\r\n\r\n")
    assert received + len(rest) > LARGE_MESSAGES * 4_096


@on_sqlite
@pytest.mark.parametrize("behind", [b"", get("/stats")], ids=["alone", "with another behind it"])
@pytest.mark.parametrize("way", ["leaves", "resets"])
async def test_a_client_that_leaves_stops_the_query(
    folder: Path, pages: Pages, way: str, behind: bytes
) -> None:
    async with served(folder) as wires:
        wire = await wires.connect()
        await wire.send(get() + behind)
        await wire.answer_head()
        if way == "resets":
            wire.reset()
        await wire.leave()
        await wait_for_count(wires, 499)
        count = pages.count
        await asyncio.sleep(0.2)
        assert pages.count == count
    assert sum(pages.sizes) < LARGE_MESSAGES
    assert b"ERROR" not in wires.service.log_output()


async def test_only_so_many_at_a_time(folder: Path) -> None:
    async with served(folder) as wires:
        stalled = [await wires.connect() for _ in range(EXPORTS_MAX)]
        for wire in stalled:
            await wire.send(get())
            assert (await wire.answer_head()).status == 200
        wire = await wires.connect()
        await wire.send(get())
        answer = await wire.answer()
        assert answer.status == 503
        assert "exports are under way" in answer.detail
        assert answer.headers["retry-after"]
        await stalled[0].leave()
        await wait_for_count(wires, 499)
        await wire.send(get())
        assert (await wire.answer_head()).status == 200


async def test_others_are_answered_meanwhile(folder: Path) -> None:
    async with served(folder) as wires:
        stalled = await wires.connect()
        await stalled.send(get())
        await stalled.answer_head()
        wire = await wires.connect()
        for path in ("/messages", "/stats", "/health/ready", f"{PATH}?until=1970-01-01T00:00:00Z"):
            await wire.send(get(path))
            assert (await wire.answer_head()).status == 200
            await wire.leave()
            wire = await wires.connect()


# A process


def test_a_process_exports_in_constant_memory(folder: Path) -> None:
    with serving(folder) as process:
        process.get("/messages")
        before = resident_bytes(process.process.pid)
        with httpx.stream("GET", process.url + PATH, verify=NO_TLS) as answer:
            assert sum(1 for _ in answer.iter_lines()) == LARGE_MESSAGES
        with httpx.stream("GET", process.url + PATH, verify=NO_TLS) as answer:
            next(answer.iter_bytes())
            assert process.get("/stats").status_code == 200
            assert resident_bytes(process.process.pid) - before < LARGE_MESSAGES * 4_096
        line = process.wait_for_line("request", lambda line: line["status"] == 499)
        assert line["path"] == PATH


def resident_bytes(pid: int) -> int:
    """The most that a process has held so far, where the system tells."""
    file = Path(f"/proc/{pid}/status")
    if not file.exists():
        pytest.skip("this system has no /proc")
    fields = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def test_a_stop_in_the_middle_cuts_it_off(folder: Path) -> None:
    with (
        serving(folder) as process,
        httpx.stream("GET", process.url + PATH, verify=NO_TLS, timeout=30) as answer,
    ):
        chunks = answer.iter_bytes()
        next(chunks)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(10) == 0
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)


# The command line


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the environment names, with SOME in it."""
    asyncio.run(fill(database_url, SOME))
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOW_ASYNC_COMMIT", "1")
    return database_url


COMMAND = [sys.executable, "-W", "error", "-m", "service", "export"]


class Done(NamedTuple):
    """How a process ended."""

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


@pytest.mark.usefixtures("database")
def test_to_standard_output() -> None:
    done = export()
    assert (done.code, done.errors) == (0, "export: 6 messages\n")
    assert parse_ndjson(done.output) == SOME
    done = export("--format", "csv", "--output", "-")
    assert done.code == 0
    assert parse_csv(done.output) == without_null(SOME)


def test_the_filters_are_those_of_http(tmp_path: Path, database: str) -> None:
    async def ask() -> list[list[Json]]:
        async with running(tmp_path, DATABASE_URL=database) as service:
            return [await listed(service, query) for query in QUERIES]

    file = tmp_path / "some.ndjson"
    for query, expected in zip(QUERIES, asyncio.run(ask()), strict=True):
        options = [f"--{name}={value}" for name, value in query.items()]
        assert main([*options, "--output", str(file)]) == 0
        assert parse_ndjson(file.read_text("utf-8")) == expected, query


@on_sqlite
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("name", "arguments", "parse"),
    [
        ("all", [], parse_ndjson),
        ("all.ndjson", [], parse_ndjson),
        ("all.csv", [], parse_csv),
        ("all.CSV", [], parse_csv),
        ("all.csv.gz", [], parse_csv),
        ("all.ndjson.gz", [], parse_ndjson),
        ("all.csv.zst", [], parse_csv),
        ("all.csv.bak", ["--format", "csv"], parse_csv),
        ("all.csv", ["--format", "ndjson"], parse_ndjson),
        ("all.zst", [], parse_ndjson),
    ],
)
def test_the_format_and_the_compression_of_a_file(
    tmp_path: Path,
    name: str,
    arguments: list[str],
    parse: Callable[[str], list[Json]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / name
    assert main([*arguments, "--output", str(file)]) == 0
    with file.open("rb") as raw, compression.reading(raw, name) as content:
        text = content.read().decode()
    assert parse(text) in (SOME, without_null(SOME))
    assert capsys.readouterr() == ("", "export: 6 messages\n")
    assert not list(tmp_path.glob(".export*"))


@on_sqlite
@pytest.mark.usefixtures("database")
def test_one_message_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--q", "really"]) == 0
    assert capsys.readouterr().err == "export: 1 message\n"


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_new_file_is_as_open_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert main(["--output", str(tmp_path / "new")]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_file_is_replaced_and_not_opened_to_more(tmp_path: Path) -> None:
    file, link = tmp_path / "old", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    assert main(["--output", str(link)]) == 0
    assert link.is_symlink()
    assert parse_ndjson(file.read_text("utf-8")) == SOME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, "--output", str(pipe)], cwd=ROOT) as process:
        assert parse_ndjson(pipe.read_text("utf-8")) == SOME
        assert process.wait(WAIT_SECONDS) == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_beside_a_running_service(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path, **environment_of(database_url)) as process:
        for number in range(3):
            process.deliver(message(message_id=f"m-{number}"))
            done = export(**clean_environment(**environment_of(database_url)))
            assert done.code == 0
            ids = [content["message_id"] for content in parse_ndjson(done.output)]
            assert ids == [f"m-{each}" for each in range(number + 1)]


def test_no_database_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    done = export("--output", str(tmp_path / "all"), DATABASE_URL=url)
    assert done.code == 1
    assert done.errors == (
        f"export: DATABASE_URL: there is no database at {tmp_path / 'other.db'}\n"
    )
    assert not list(tmp_path.iterdir())


@on_sqlite
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "4911"], "--from must be an E.164 number"),
        (["--to="], "--to must be an E.164 number"),
        (["--since", "yesterday"], "--since must be an RFC 3339 instant"),
        (["--until", "2025-02-29T00:00:00Z"], "--until must be an RFC 3339 instant"),
        (["--q", ""], "--q must be 1 to 4,096 characters"),
        (["--q", os.fsdecode(b"caf\xe9")], "--q must be 1 to 4,096 characters in UTF-8"),
        (["--format", "json"], "--format"),
        (["--output", "."], "--output must be a file"),
        (["--limit", "1"], "--limit"),
        (["file"], "file"),
        (["--form", "csv"], "--form"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("export: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_bad_database_url(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    monkeypatch.setenv("DATABASE_URL", "mysql://")
    assert main([]) == 2
    assert "DATABASE_URL" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "exit code" in capsys.readouterr().out


def assert_only_the_old(folder: Path, file: Path) -> None:
    """No part of a new file is left, and the one that was there is."""
    assert file.read_text() == "old"
    assert not list(folder.glob(".export*"))


@pytest.mark.usefixtures("database", "small_pages")
@pytest.mark.parametrize("name", ["all.csv", "all.gz", "all.zst"])
def test_a_failure_in_the_middle_leaves_the_old_file(
    tmp_path: Path, pages: Pages, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text("old")
    pages.at[3] = fail(StoreError("disk I/O error"))
    assert main(["--output", str(file)]) == 1
    assert capsys.readouterr().err == (
        "export: cut off: the database does not answer: disk I/O error\n"
    )
    assert_only_the_old(tmp_path, file)


@pytest.mark.usefixtures("database", "small_pages")
@pytest.mark.parametrize("name", ["all.csv", "all.gz", "all.zst"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_old_file(
    tmp_path: Path, pages: Pages, name: str, number: int
) -> None:
    file = tmp_path / name
    file.write_text("old")
    handler = signal.getsignal(number)
    pages.at[3] = lambda: os.kill(os.getpid(), number)
    with pytest.raises(SystemExit) as ended:
        main(["--output", str(file)])
    assert ended.value.code == 128 + number
    assert_only_the_old(tmp_path, file)
    assert signal.getsignal(number) is handler


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all"
    file.write_text("old")
    sync = os.fsync

    def fail_but_for_the_database(descriptor: int) -> None:
        spared = {each.stat().st_ino for each in (tmp_path, *tmp_path.glob("app.db*"))}
        if os.fstat(descriptor).st_ino not in spared:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fail_but_for_the_database)
    assert main(["--output", str(file)]) == 1
    assert capsys.readouterr().err == f"export: cannot write {file}: No space left on device\n"
    assert_only_the_old(tmp_path, file)


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path / "no" / "all")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_device_that_is_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = export("--output", "/dev/full")
    assert (done.code, done.output) == (1, "")
    assert done.errors == "export: cannot write /dev/full: No space left on device\n"
    assert Path("/dev/full").is_char_device()


@pytest.fixture
def blocked(database_url: str) -> Iterable[subprocess.Popen[bytes]]:
    """An export of more than a pipe holds, to a pipe that is not read."""
    asyncio.run(fill(database_url, large(200)))
    with subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=clean_environment(**environment_of(database_url)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"{"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_waits_for_a_pipe(
    blocked: subprocess.Popen[bytes], number: int
) -> None:
    blocked.send_signal(number)
    assert blocked.wait(WAIT_SECONDS) == 128 + number
    assert blocked.stderr is not None
    assert blocked.stderr.read() == b""


def test_a_reader_that_leaves_ends_the_run(blocked: subprocess.Popen[bytes]) -> None:
    assert blocked.stdout is not None
    assert blocked.stderr is not None
    blocked.stdout.close()
    assert blocked.wait(WAIT_SECONDS) == 1
    assert blocked.stderr.read() == b"export: cannot write standard output: Broken pipe\n"


@on_sqlite
def test_a_pipe_that_does_not_block_is_waited_for(database: str) -> None:
    asyncio.run(fill(database, large(200)))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with (
        subprocess.Popen(COMMAND, cwd=ROOT, stdout=writing) as process,
        os.fdopen(reading, "rb") as file,
    ):
        os.close(writing)
        assert file.read().count(b"\n") == 206
        assert process.wait(WAIT_SECONDS) == 0


@on_sqlite
@pytest.mark.usefixtures("database")
def test_a_gzip_file_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "all.gz"
    assert main(["--output", str(file)]) == 0
    assert parse_ndjson(gzip.decompress(file.read_bytes()).decode()) == SOME
