"""The parts of the bench: what it sends, asks, counts and writes. Nothing is measured here."""

from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.api.messages.page import parse_query
from service.messages.message import Message, decode_message
from service.sources import signature
from service.sources.request import Request
from service.sources.scheme import load_schemes
from service.sources.source import Source
from tests.bench import compare, event_reads, postgres, report
from tests.bench.__main__ import RESULTS_FILE
from tests.bench.growth import Beside, Growth, Ingest, Size
from tests.bench.plan import QUICK
from tests.bench.report import Report
from tests.bench.servers import fairness, processes
from tests.bench.servers.databases import Copy, prepare
from tests.bench.servers.files import count_messages
from tests.bench.servers.processes import SERVICE, TARGETS, running
from tests.bench.throughput import Load
from tests.bench.traffic import dataset, reads, requests
from tests.bench.traffic.client import Client
from tests.bench.traffic.load import Figures, load
from tests.bench.traffic.reads import BARS
from tests.bench.traffic.sampling import Read, Sample, sample_in_turns, summarize
from tests.measure import pages, results
from tests.measure.figures import Spread
from tests.measure.places import PUBLISHED, ROOT
from tests.measure.watch import Watch


def once(value: float) -> Spread:
    return Spread.of([value])


def figures(rate: float) -> dict[str, Spread]:
    others = {name: once(100_000 / rate) for name in Figures.__struct_fields__}
    return others | {"requests_per_second": Spread.of([rate, rate * 0.9, rate * 1.2])}


def a_read(name: str, messages: int, **changes: Any) -> Read:
    fields: dict[str, Any] = {
        "messages": messages,
        "name": name,
        "beside": "idle",
        "requests": 100,
        "refused": 0,
        "p50_ms": once(1),
        "p99_ms": once(2),
        "max_ms": 3,
        "held_ms": 2,
    }
    return Read(**fields | changes)


def a_report() -> Report:
    sizes = (10_000, 100_000)
    rates = {
        "service": 10_000,
        "events": 8_000,
        "ceiling": 20_000,
        "starlette": 4_000,
        "fastapi": 1_000,
    }
    loads = [
        Load(target=target, connections=connections, stored_bytes=once(500), **figures(rate))
        for target, rate in rates.items()
        for connections in (1, 128)
    ]
    beside = [
        Beside(
            messages=100_000,
            reads=name,
            wanted_per_second=5_000,
            requests_per_second=once(5_000),
            p50_ms=once(1),
            p99_ms=Spread.of(p99_ms),
            max_ms=50,
            errors=0,
            resident_mebibytes=100,
        )
        for name, p99_ms in {"none": [10, 20], "slow": [15, 40]}.items()
    ]
    growth = Growth(
        [Size(size, size * 600, size * 500, 1.0) for size in sizes],
        [Ingest(messages=size, **figures(10_000)) for size in (-1, 0, *sizes)],
        [
            a_read(name, size, beside=beside)
            for size in sizes
            for name in BARS
            for beside in ("idle", "ingest")
        ],
        beside,
    )
    return Report(
        command="just bench quick",
        began_at="2026-11-23T12:00:00Z",
        seconds=60,
        machine={"processor": "one", "cores": "2"},
        commit="abc",
        load_average=[0.1, 1.0],
        run_seconds=1,
        ceiling=[load for load in loads if load.target in ("service", "ceiling")],
        events=[load for load in loads if load.target in ("service", "events")],
        throughput=[load for load in loads if load.target != "events"],
        growth=growth,
        event_reads=event_reads.EventReads(
            [event_reads.Size(100_000, 100_000 * 1_600)],
            [a_read(name, 100_000) for name in reads.EVENT_BARS],
        ),
    )


# What is sent


def test_the_dataset_is_the_same_every_time_and_fewer_are_the_beginning_of_more() -> None:
    many = list(dataset.messages(2 * dataset.CHUNK_MESSAGES))
    few = list(dataset.messages(dataset.CHUNK_MESSAGES))
    assert many[: len(few)] == few
    assert len({message.message_id for message in many}) == len(many)
    others = dataset.messages(100, seed=2)
    assert not {message.message_id for message in many} & {other.message_id for other in others}


@pytest.mark.parametrize("make", [requests.short_requests, requests.long_requests])
def test_requests_are_signed_webhooks(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "FOLDER", tmp_path)
    file = make(20, Watch())
    assert make(20, Watch()) == file
    found = [decoded(request) for request in requests_of(file)]
    assert len({message.message_id for message in found}) == 20


def requests_of(file: Path) -> list[bytes]:
    """Read as webhook.lua does: 8 digits, then so many bytes."""
    content, found = file.read_bytes(), []
    while content:
        end = 8 + int(content[:8])
        found.append(content[8:end])
        content = content[end:]
    return found


def decoded(request: bytes) -> Message:
    headers, body = split(request)
    signature.verify(signature.prepare([requests.SECRET]), body, [headers[b"x-signature"]])
    return decode_message(body)


def split(request: bytes) -> tuple[dict[bytes, bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ") for line in head.lower().split(b"\r\n")[1:])
    assert int(headers[b"content-length"]) == len(body)
    return headers, body


def test_events_are_signed_as_github_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "FOLDER", tmp_path)
    source = Source("github", load_schemes(None)["github"], [requests.SECRET])
    found = [split(request) for request in requests_of(requests.event_requests(20, Watch()))]
    ids = set()
    for headers, body in found:
        request = Request(tuple(headers.items()), "")
        assert source.verify(request, body, 0) == 0
        assert len(body) == requests.EVENT_BYTES
        ids.add(source.identify(request, body).event_id)
    assert len(ids) == 20


# What is measured


def test_the_service_answers_as_the_bench_demands_of_all() -> None:
    assert fairness.check(SERVICE) == []


@pytest.mark.bench
@pytest.mark.parametrize("target", [each for each in TARGETS if each.stores], ids=str)
def test_the_baselines_answer_as_the_service_does(target: Any) -> None:
    assert fairness.check(target) == []


def test_every_read_can_be_asked_of_a_built_database_and_counts_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that a copy is one: the original is kept for the next bench."""
    monkeypatch.setattr("tests.bench.servers.databases.KEPT", tmp_path / "kept")
    original = prepare(2_000, Watch())
    copy = Copy(original, tmp_path / "copy")
    with running(SERVICE, copy.database) as server, Client(server.port) as client:
        kinds = reads.find_kinds(client, 2_000)
        plan = QUICK._replace(reads=2, read_turns=2)
        found = sample_in_turns({"": (client, kinds)}, plan, lambda _: None)
    assert [name for _, name in found] == list(BARS)
    assert {sample.status for turns in found.values() for turn in turns for sample in turn} == {200}
    for path in chain.from_iterable(kind.paths for kind in kinds):
        parts = urlsplit(path)
        if parts.path == "/messages":
            parse_query(parts.query.encode())
    assert [sample.total for sample in found["", "total of all"][0]] == [2_000]
    copy.database.write_bytes(b"")
    assert count_messages(original.path) == 2_000
    assert prepare(2_000, Watch()).path.stat().st_mtime == original.path.stat().st_mtime


def test_every_read_of_events_can_be_asked_of_a_built_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reads, "KEPT", tmp_path)
    database = event_reads.prepare(2_000, Watch())
    with (
        running(SERVICE, database, variables=event_reads.VARIABLES) as server,
        Client(server.port) as client,
    ):
        kinds = event_reads.find_kinds(client, 2_000)
        for path in chain.from_iterable(kind.paths for kind in kinds):
            assert client.get(path).status == 200, path
        found = {kind.name: client.get(kind.paths[0]).json() for kind in kinds}
        assert len(found["source and type"]["data"]) == 50
        assert found["problem"]["data"]
    assert list(found) == list(reads.EVENT_BARS)
    assert 1_400 < database.stat().st_size / 2_000 < event_reads.STORED_BYTES_MAX
    assert event_reads.prepare(2_000, Watch()) == database


@pytest.mark.bench
def test_a_run_costs_something_and_stores_what_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "FOLDER", tmp_path)
    file = requests.short_requests(30_000, Watch())
    other = processes.service(ROOT, "another checkout")
    with running(other, tmp_path / "app.db") as server:
        done = load(server, file, 8, 1, rate=500)
    assert done.result.is_good
    assert 300 < done.result.requests_per_second < 600
    assert count_messages(tmp_path / "app.db") >= done.result.requests
    assert Figures.of([done, done]).cpu_us.least > 10


def test_another_checkout_is_one_that_runs_its_own_code(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        compare._options([str(tmp_path)])
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__main__.py").touch()
    assert compare._options([str(tmp_path)]).folder == tmp_path.resolve()
    (tmp_path / "service" / "__init__.py").write_text("raise ImportError")
    with pytest.raises(SystemExit, match="can't be run"):
        compare._versions(processes.service(tmp_path, "other"))


def test_a_comparison_is_held_to_its_bars_turn_by_turn() -> None:
    report = compare.Comparison(
        command="c", began_at="2026", commit="a", machine={"processor": "", "cores": ""}
    )

    def found(*rates: float) -> Figures:
        others = {name: Spread.of([1 / rate for rate in rates]) for name in figures(1)}
        return Figures(**others | {"requests_per_second": Spread.of(rates)})

    report.found["128 connections"] = {"other": found(100, 200), "this": found(90, 200)}
    report.found["0.5 of the peak"] = {"other": found(100, 100), "this": found(80, 80)}
    text = compare.render(report)
    assert "| 0.95 (0.90 to 1.00) | 0.90 1.00 | at least 0.97 | **no** |" in text
    assert "| 1.25 (1.25 to 1.25) | 1.25 1.25 | at most 1.1 | **no** |" in text


# What is counted and written


def test_a_read_is_summed_up_over_its_turns_without_what_was_refused() -> None:
    turns = [[Sample(200, 1, 1_000), Sample(503, 5_000, None)], [Sample(200, 3, 1_000)]]
    read = summarize(10, "idle", "q", turns)
    assert (read.requests, read.refused, read.max_ms) == (3, 1, 5_000)
    assert read.p99_ms == Spread(3, 1, 3, [1, 3])
    assert read.held_ms == pytest.approx(2.9)
    assert read.is_kept is False


@pytest.mark.parametrize(
    ("name", "ms", "is_kept"),
    [("first page", 10, True), ("first page", 11, False), ("q", 50, True), ("q", 51, False)],
)
def test_a_read_keeps_to_its_bar_or_not(name: str, ms: float, is_kept: bool) -> None:
    assert a_read(name, 10**7, held_ms=ms).is_kept is is_kept


def test_a_report_is_read_back_and_its_tables_quote_it(tmp_path: Path) -> None:
    whole = a_report()
    results.save(whole, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json", Report) == whole
    blocks = report.render_blocks(whole)
    assert "| 128 | this service | 10,000 (9,000 to 12,000) |" in blocks["throughput"]
    assert "| times what FastAPI + sqlite3 takes | 10.0 |" in blocks["summary"]
    assert "share of messages (bar: 0.75) | 0.80 (0.80 to 0.80) |" in blocks["summary"]
    assert "| ratio to the ceiling | 1 | 0.50 (0.50 to 0.50) |" in blocks["ceiling"]
    assert "| first page | 1.00 / 2.00 | 1.00 / 2.00 | 10 ms | yes |" in blocks["reads idle"]
    assert f"| {len(BARS)} of {len(BARS)} |" in blocks["summary"]
    assert "| 1.75 (1.50 to 2.00) |" in blocks["ingest beside reads"]
    assert "| source and type | 1.00 / 2.00 | 10 ms | yes |" in blocks["reads of events"]
    assert "| the database | 1,600 bytes an event |" in blocks["reads of events"]


@pytest.mark.bench
def test_every_picture_is_drawn(tmp_path: Path) -> None:
    # It needs matplotlib, which is in the group bench.
    from tests.bench.pictures import draw_all  # noqa: PLC0415

    written = draw_all(a_report(), tmp_path)
    names = {"throughput.png", "latency.png", "ingest.png", "reads.png"}
    assert {file.name for file in written} == names
    assert all(file.stat().st_size > 10_000 for file in written)


def test_the_pages_say_what_was_published() -> None:
    published = results.load(PUBLISHED / RESULTS_FILE, Report)
    assert pages.stale("bench", report.render_blocks(published)) == []
    on_postgres = results.load(PUBLISHED / postgres.RESULTS_FILE, postgres.PostgresReport)
    assert pages.stale("postgres", postgres.render_blocks(on_postgres)) == []


# PostgreSQL


@pytest.mark.bench
def test_a_run_stores_what_it_acknowledges_on_both_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "FOLDER", tmp_path)
    files = [requests.short_requests(20_000, Watch(), seed) for seed in (1, 2)]
    with postgres.serving(trigrams=True) as server:
        for case in (
            postgres.Case("sqlite", SERVICE, None),
            postgres.Case("two", SERVICE, server, instances=2),
            postgres.Case("fastapi", processes.FASTAPI_ASYNCPG, server),
        ):
            postgres.check(case)
            done = postgres.run(case, files, 1)
            assert done.requests_per_second > 0
            assert done.cpu_us > 0
            assert (done.server_cpu_us == 0) == (case.server is None)
