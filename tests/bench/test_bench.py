"""The bench's pieces: what it sends, asks, counts and writes. Nothing is measured here."""

import json
import mmap
import re
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from service.api.messages import parse_query
from service.messages.message import Message, decode_message
from service.sources import signature
from service.store.interface import Position
from tests.bench import (
    dataset,
    fairness,
    load,
    postgres_requests,
    postgres_results,
    postgres_servers,
    postgres_tables,
    quiet,
    reads,
    results,
    tables,
)
from tests.bench.memory import hold
from tests.bench.pages import PAGES, POSTGRES_FILE, fill, fill_postgres
from tests.bench.places import PUBLISHED
from tests.bench.postgres_results import POSTGRES, SQLITE, Built, PostgresReport, Rate
from tests.bench.postgres_runs import Case, check, run
from tests.bench.reads import BARS
from tests.bench.results import Beside, Growth, Ingest, Load, Read, Report, Size, Spread
from tests.bench.sampling import Sample, summarize
from tests.bench.targets import FASTAPI_ASYNCPG, POSTGRES_SERVICE, SERVICE, STORING
from tests.bench.watch import Watch


def once(value: float) -> Spread:
    return Spread.of([value])


def a_load(target: str, rate: float, **changes: Any) -> Load:
    figures: dict[str, Any] = {
        "target": target,
        "connections": 128,
        "requests_per_second": Spread.of([rate, rate * 0.9, rate * 1.2]),
        "stored_bytes": None if target == "ceiling" else once(500),
    }
    rest = Load.__struct_fields__[len(figures) - 1 :]
    return Load(**{name: once(100_000 / rate) for name in rest} | figures | changes)


def a_read(name: str, messages: int, p99_ms: float, **changes: Any) -> Read:
    figures: dict[str, Any] = {
        "messages": messages,
        "name": name,
        "beside": "idle",
        "requests": 100,
        "refused": 0,
        "p50_ms": once(1),
        "p95_ms": once(1),
        "p99_ms": once(p99_ms),
        "max_ms": p99_ms,
        "total": 10.0,
        "ns_per_counted": 90.0,
        "p99_uncounted_ms": 1.0,
    }
    return Read(**figures | changes)


def an_ingest(messages: int, rate: float) -> Ingest:
    rest = {name: once(100_000 / rate) for name in Ingest.__struct_fields__[2:]}
    return Ingest(messages=messages, requests_per_second=once(rate), **rest)


def a_beside(reads: str, *p99_ms: float) -> Beside:
    return Beside(
        messages=10_000,
        reads=reads,
        wanted_per_second=5_000,
        requests_per_second=once(5_000),
        p50_ms=once(1),
        p99_ms=Spread.of(p99_ms),
        max_ms=50,
        errors=0,
        repeated=False,
        resident_mebibytes=100,
    )


def a_report(**parts: Any) -> Report:
    return Report(
        command="just bench quick",
        began_at="2026-11-23T12:00:00Z",
        seconds=60,
        machine={"processor": "one", "cores": "2"},
        versions={"python": "3.11"},
        commit="abc",
        load_average=[0.1, 1.0],
        sync_us=once(100),
        run_seconds=1,
        **parts,
    )


def a_whole_report() -> Report:
    sizes = (10_000, 100_000)
    found = [a_read(name, size, 1 + size / 1e6) for size in sizes for name in BARS]
    growth = Growth(
        128,
        [Size(size, size * 600, size * 500, 1.0) for size in sizes],
        [an_ingest(size, 10_000) for size in (-1, 0, *sizes)],
        found,
        [a_beside("none", 10, 20), a_beside("slow", 15, 40)],
    )
    rates = {"service": 10_000, "ceiling": 20_000, "starlette": 4_000, "fastapi": 1_000}
    loads = [
        a_load(target, rate, connections=connections)
        for target, rate in rates.items()
        for connections in (1, 128)
    ]
    return a_report(throughput=loads, growth=growth)


# What is sent


def test_the_dataset_is_the_same_every_time_and_fewer_are_the_beginning_of_more() -> None:
    many = list(chain.from_iterable(dataset.messages(2 * dataset.CHUNK_MESSAGES)))
    few = list(chain.from_iterable(dataset.messages(dataset.CHUNK_MESSAGES)))
    assert many[: len(few)] == few
    assert len({message.message_id for message in many}) == len(many)
    others = chain.from_iterable(dataset.messages(100, seed=2))
    assert not {message.message_id for message in many} & {other.message_id for other in others}


def test_ten_million_messages_end_before_those_that_are_sent() -> None:
    last = dataset.BEGIN + 10_000_000 * dataset.MICROSECONDS_APART + dataset.JITTER_MICROSECONDS
    assert last < dataset.END


@pytest.mark.parametrize("make", [load.short_requests, load.long_requests])
def test_requests_are_signed_webhooks(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "FOLDER", tmp_path)
    file = make(20, Watch())
    assert make(20, Watch()) == file
    found = [decoded(request) for request in requests_of(file)]
    assert len({message.message_id for message in found}) == 20


def test_long_requests_are_of_the_kind_that_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "FOLDER", tmp_path)
    sent = [decoded(request) for request in requests_of(load.long_requests(20, Watch()))]
    made = chain.from_iterable(dataset.messages(20, seed=2, begin=dataset.END))
    assert sent == list(made)


def requests_of(file: Path) -> list[bytes]:
    """Read as webhook.lua does: 8 digits, then so many bytes."""
    content, found = file.read_bytes(), []
    while content:
        end = 8 + int(content[:8])
        found.append(content[8:end])
        content = content[end:]
    return found


def decoded(request: bytes) -> Message:
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ") for line in head.lower().split(b"\r\n")[1:])
    assert int(headers[b"content-length"]) == len(body)
    assert signature.is_trusted([load.SECRET], body, headers[b"x-signature"])
    return decode_message(body)


def test_without_wrk_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match=r"^The bench needs wrk: apt-get install wrk\.$"):
        load.find_wrk()


def test_the_service_answers_as_the_bench_demands_of_all() -> None:
    assert fairness.check(SERVICE) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_are_held_in_memory_until_they_are_let_go(tmp_path: Path) -> None:
    file, empty = tmp_path / "file", tmp_path / "empty"
    file.write_bytes(bytes(mmap.PAGESIZE * 3))
    empty.touch()
    before = locked_bytes()
    held = hold([file, empty])
    assert held is not None
    assert locked_bytes() == before + mmap.PAGESIZE * 3
    held.close()
    assert locked_bytes() == before


def test_files_that_would_leave_no_memory_are_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(4 * 1024))
    monkeypatch.setattr("tests.bench.memory.available_kibibytes", lambda: 5)
    assert hold([tmp_path / "file"]) is None


def locked_bytes() -> int:
    """What this process holds in memory, by proc(5)."""
    found = re.search(r"VmLck:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.bench
@pytest.mark.parametrize("target", STORING, ids=lambda target: target.name)
def test_the_baselines_answer_as_the_service_does(target: Any) -> None:
    assert fairness.check(target) == []


# What is asked


def test_every_read_is_one_that_the_service_takes() -> None:
    facts = reads.Facts([dataset.sender(60_000)], [Position(dataset.BEGIN, "m-1")])
    kinds = reads.kinds(10_000, facts, ["word"])
    assert [kind.name for kind in kinds] == list(BARS)
    for path in chain.from_iterable(kind.paths for kind in kinds):
        parts = urlsplit(path)
        if parts.path == "/messages":
            parse_query(parts.query.encode())
        else:
            assert parts.path == "/stats"


# What is counted


def test_a_spread_is_the_median_the_least_and_the_most() -> None:
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3, [3, 1, 2])


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [results.percentile(values, percent) for percent in (1, 50, 99)] == [1, 50, 99]
    assert results.percentile([5.0], 99) == 5


def test_a_read_is_summed_up_over_its_rounds_without_what_was_refused() -> None:
    rounds = [
        [Sample(200, 0.001, 1_000), Sample(503, 5.0, None)],
        [Sample(200, 0.003, 1_000)],
    ]
    read = summarize(10, "idle", "q", rounds)
    assert (read.requests, read.refused, read.max_ms, read.total) == (3, 1, 5_000, 1_000)
    assert read.p99_ms == Spread(3, 1, 3, [1, 3])
    assert read.ns_per_counted == pytest.approx(2_000)
    assert read.p99_uncounted_ms == pytest.approx(2.9)


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.save(a_whole_report(), file)
    assert results.load(file) == a_whole_report()
    assert json.loads(file.read_text())["throughput"][0]["target"] == "service"


# What is written


def test_the_tables_quote_the_figures() -> None:
    blocks = tables.render_blocks(a_whole_report())
    assert "| 128 | this service | 10,000 (9,000 to 12,000) |" in blocks["throughput"]
    assert "| times what FastAPI + sqlite3 takes | 10.0 |" in blocks["summary"]
    assert (
        "| first page | 1.00 / 1.01 | 1.00 / 1.10 | 1.0 / 1.1 | 10 ms, 2x | yes |"
        in (blocks["reads idle"])
    )
    assert f"| {len(BARS)} of {len(BARS)} |" in blocks["summary"]
    assert "| 1.75 (1.50 to 2.00) |" in blocks["ingest beside reads"]
    assert blocks["ceiling"] == ""


@pytest.mark.parametrize(
    ("name", "small", "large", "words"),
    [
        ("first page", 2, 9, "growth"),
        ("first page", 8, 11, "p99"),
        ("stats", 1, 6, "p99, growth"),
        ("q", 9, 40, "yes"),
        ("total of all", 1, 9, "yes"),
    ],
)
def test_a_miss_is_told(name: str, small: float, large: float, words: str) -> None:
    both = [a_read(name, size, p99_ms) for size, p99_ms in ((100_000, small), (10**7, large))]
    found = tables.verdict(BARS[name], *both)
    assert found == (words if words == "yes" else f"**no**: {words}")


def test_a_count_may_take_its_time_for_each_message() -> None:
    slow = a_read("total by from and to", 10**7, 5_000, p99_uncounted_ms=9)
    assert tables.verdict(BARS[slow.name], None, slow) == "yes"
    slower = a_read("total by from and to", 10**7, 5_000, p99_uncounted_ms=11)
    assert tables.verdict(BARS[slow.name], None, slower) == "**no**: 90 ns a message"


def test_a_refused_read_keeps_to_no_bar() -> None:
    refused = a_read("q", 10**7, 1, refused=2)
    assert tables.verdict(BARS["q"], None, refused) == "**no**: 2 of 100 refused"


def test_a_page_is_filled_between_its_marks() -> None:
    page = "before\n<!-- bench: cost -->\nold\n<!-- end -->\nbehind\n"
    once_filled = fill(page, a_whole_report())
    assert "old" not in once_filled
    assert "| this service |" in once_filled
    assert fill(once_filled, a_whole_report()) == once_filled
    assert (once_filled[:7], once_filled[-7:]) == ("before\n", "behind\n")
    with pytest.raises(KeyError):
        fill("<!-- bench: typo -->\n<!-- end -->", a_whole_report())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_say_what_was_measured(page: Path) -> None:
    text = page.read_text("utf-8")
    assert fill(text, results.load(PUBLISHED / "results.json")) == text


def test_what_measures_waits_for_what_ran_before_to_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads = iter([2.0, 2.0, 0.9, 0.2])
    monkeypatch.setattr("tests.bench.quiet.os.getloadavg", lambda: (next(loads), 5.0, 5.0))
    slept: list[float] = []
    monkeypatch.setattr("tests.bench.quiet.time.sleep", slept.append)
    assert quiet.wait_until_quiet(Watch()) == 0.2
    assert len(slept) == 2


def test_what_measures_begins_all_the_same_where_something_else_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.bench.quiet.os.getloadavg", lambda: (2.0, 2.0, 2.0))
    assert quiet.wait_until_quiet(Watch(), seconds_max=0) == 2.0
    assert "not idle (load average 2.00)" in capsys.readouterr().err


@pytest.mark.bench
def test_every_picture_is_drawn_twice(tmp_path: Path) -> None:
    # It needs matplotlib, which is in the group bench.
    from tests.bench.plots import draw  # noqa: PLC0415

    written = draw(a_whole_report(), tmp_path)
    names = {"throughput", "latency", "cost", "ingest", "reads"}
    assert {file.name for file in written} == {f"{n}.{s}" for n in names for s in ("png", "svg")}
    assert all(file.stat().st_size > 10_000 for file in written)
    assert draw(a_report(), tmp_path) == []


# PostgreSQL


def a_rate(name: str, runs: list[float], **changes: Any) -> Rate:
    figures: dict[str, Any] = {"name": name, "requests_per_second": Spread.of(runs)}
    rest = {field: once(1.0) for field in ("p50_ms", "p99_ms", "cpu_us")}
    return Rate(**figures | rest | changes)


def a_postgres_report(**parts: Any) -> PostgresReport:
    return PostgresReport(
        command="just bench postgres",
        began_at="2026-11-23T12:00:00Z",
        seconds=60,
        machine={"processor": "one", "cores": "2"},
        versions={"python": "3.11"},
        settings={"shared_buffers": "1GB"},
        commit="abc",
        load_average=[0.1, 1.0],
        sync_us=once(100),
        run_seconds=1,
        **parts,
    )


def test_a_ratio_is_one_of_each_round_and_is_held_to_its_bar() -> None:
    report = a_postgres_report(
        ingest=[
            a_rate("sqlite", [100, 200, 400]),
            a_rate("trigrams", [100, 180, 480]),
            a_rate("plain", [50, 100, 100]),
        ]
    )
    written = postgres_tables.summary(report)
    assert "against SQLite, webhooks/s | 1.00 (0.90 to 1.20) | at least 1 | yes |" in written
    assert "against SQLite, webhooks/s | 0.50 (0.25 to 0.50) | at least 1 | **no** |" in written
    assert "FastAPI" not in written


@pytest.mark.parametrize(
    ("p99_ms", "refused", "words"),
    [(2.0, 0, "yes"), (2.1, 0, "**no**: p99"), (1.0, 3, "**no**: 3 of 100 refused")],
)
def test_a_read_may_take_twice_the_time_of_sqlite(p99_ms: float, refused: int, words: str) -> None:
    sqlite = a_read("stats", 10_000, 1.0, beside=SQLITE)
    postgres = a_read("stats", 10_000, p99_ms, beside=POSTGRES, refused=refused)
    report = a_postgres_report(reads=[sqlite, postgres], built=Built(10_000, 10**6, 1.0))
    assert f"| {words} |\n" in postgres_tables.reads(report)
    assert f"| {1 if words == 'yes' else 0} of 1 |" in postgres_tables.summary(report)


def test_a_postgres_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "postgres.json"
    assert postgres_results.load(file) is None
    report = a_postgres_report(senders=[a_rate("one", [1, 2], server_cpu_us=once(3.0))])
    postgres_results.save(report, file)
    assert postgres_results.load(file) == report


def test_a_part_that_is_measured_again_says_so() -> None:
    reads = [a_read("stats", 10_000, 1.0, beside=POSTGRES)]
    later = a_postgres_report(reads=reads, built=Built(10_000, 10**6, 1.0))
    later.commit = "abc1234"
    report = a_postgres_report(senders=[a_rate("one", [1, 2])])
    report.replace_part("reads", later)
    assert (report.reads, report.built) == (later.reads, later.built)
    assert report.senders
    written = postgres_tables.summary(report)
    assert "Measured again, `--parts reads`: 2026-11-23, commit abc1234." in written
    whole = a_whole_report()
    whole.replace_part("growth", msgspec.structs.replace(a_report(), commit="def5678"))
    assert whole.growth is None
    assert whole.throughput
    assert "Measured again, `--parts growth`: 2026-11-23, commit def5678." in tables.summary(whole)


def test_the_senders_are_one_or_different_in_messages_that_all_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "FOLDER", tmp_path)
    senders = {}
    for kind in postgres_requests.SENDERS:
        both = [postgres_requests.requests_of_senders(kind, 50, n, Watch()) for n in range(2)]
        sent = [decoded(request) for file in both for request in requests_of(file)]
        senders[kind] = len({message.from_msisdn for message in sent})
        ids = {message.message_id for message in sent}
        assert len(ids) == 100
    assert senders["one"] == 1 < senders["Zipf"] < senders["different"] == 100


@pytest.mark.bench
def test_a_run_stores_what_it_acknowledges_on_both_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Load, processor times, the tail, and the answers that all servers must give."""
    monkeypatch.setattr(load, "FOLDER", tmp_path)
    requests = [load.short_requests(20_000, Watch())]
    with postgres_servers.serving(True) as server:
        cases = [
            Case("sqlite", SERVICE, None, requests),
            Case("trigrams", POSTGRES_SERVICE, server, requests),
            Case("fastapi", FASTAPI_ASYNCPG, server, requests),
        ]
        for case in cases:
            check(case)
            done = run(case, 1)
            assert done.requests_per_second > 0
            assert done.cpu_us > 0
            assert (done.server_cpu_us is None) == (case.server is None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_say_what_was_measured_of_postgres(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<!-- postgres: summary -->" in text or page.name == "README.md"
    assert fill_postgres(text, postgres_results.load(PUBLISHED / POSTGRES_FILE)) == text
