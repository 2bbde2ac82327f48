"""`python -m service export --events`, and the way back by `import`, also to another database."""

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.messages.instants import format_instant
from tests.support.api.exports import SOME, fill
from tests.support.events import (
    EVENTS,
    event,
    parse_events,
    rows_of,
    run_command,
    store_events,
    stored_events,
)
from tests.support.imports import counts, stored_in
from tests.support.kinds import empty_database, on_each_database, on_sqlite
from tests.support.service import Json

pytestmark = on_each_database


@pytest.fixture
def filled(database_url: str) -> str:
    store_events(database_url, EVENTS)
    return database_url


@pytest.fixture(params=["sqlite", "postgres"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Another database, empty, of each kind."""
    (tmp_path / "other").mkdir()
    with empty_database(request.param, tmp_path / "other") as url:
        yield url


def export(url: str, *arguments: str) -> list[Json]:
    done = run_command(url, "export", "--events", *arguments)
    found = parse_events(done.stdout)
    plural = "" if len(found) == 1 else "s"
    assert (done.returncode, done.stderr.decode()) == (0, f"export: {len(found)} event{plural}\n")
    return found


def test_all_come_in_order_and_complete(filled: str) -> None:
    found = export(filled)
    rows = rows_of(EVENTS)
    assert [(each["source"], each["id"]) for each in found] == [row[:2] for row in rows]
    assert [each["received_at"] for each in found] == [format_instant(row[3]) for row in rows]
    assert [each["problem"] for each in found] == [row.problem for row in rows]
    assert [tuple(each["message_ids"]) for each in found] == [row.message_ids for row in rows]


def test_filters(filled: str) -> None:
    assert [each["source"] for each in export(filled, "--source", "webhook")] == ["webhook"]
    assert [each["type"] for each in export(filled, "--type", "ping")] == ["ping"]
    assert [each["source"] for each in export(filled, "--problem", "true")] == ["webhook"]
    assert len(export(filled, "--problem", "false")) == len(EVENTS) - 1
    since, until = (format_instant(each.received_at) for each in (EVENTS[2], EVENTS[5]))
    ids = [each["id"] for each in export(filled, "--since", since, "--until", until)]
    assert ids == [each.event_id for each in EVENTS[2:5]]
    assert export(filled, "--source", "nobody") == []


def test_all_come_back_byte_for_byte(filled: str, other: str) -> None:
    exported = run_command(filled, "export", "--events").stdout
    done = run_command(other, "import", "-", stdin=exported)
    assert (done.returncode, done.stderr) == (0, b"")
    assert counts(done.stdout.decode())["created"] == len(EVENTS)
    assert stored_events(other) == stored_events(filled) == rows_of(EVENTS)
    assert run_command(other, "export", "--events").stdout == exported
    again = counts(run_command(other, "import", "-", stdin=exported).stdout.decode())
    assert (again["created"], again["duplicate"], again["conflict"]) == (0, len(EVENTS), 0)


def test_messages_and_events_may_share_a_file(
    database_url: str, other: str, tmp_path: Path
) -> None:
    asyncio.run(fill(database_url, SOME))
    store_events(database_url, EVENTS)
    mixed = tmp_path / "all.ndjson.gz"
    parts = [run_command(database_url, "export", *option).stdout for option in ([], ["--events"])]
    mixed.write_bytes(gzip.compress(b"".join(parts)))
    done = run_command(other, "import", str(mixed))
    assert (done.returncode, done.stderr) == (0, b"")
    assert counts(done.stdout.decode())["created"] == len(SOME) + len(EVENTS)
    assert stored_in(other) == stored_in(database_url)
    assert stored_events(other) == rows_of(EVENTS)


def test_another_body_of_the_same_event_is_a_conflict_and_changes_nothing(
    database_url: str,
) -> None:
    store_events(database_url, [event(1, b'{"first":true}')])
    line = run_command(database_url, "export", "--events").stdout
    done = run_command(database_url, "import", "-", stdin=line.replace(b"true", b"false"))
    assert done.returncode == 0
    assert counts(done.stdout.decode())["conflict"] == 1
    assert stored_events(database_url) == rows_of([event(1, b'{"first":true}')])


def test_many_pages_of_large_bodies(database_url: str, other: str) -> None:
    events = [event(number, b'{"x":"%s"}' % (b"x" * 100_000)) for number in range(100)]
    store_events(database_url, events)
    exported = run_command(database_url, "export", "--events").stdout
    assert run_command(other, "import", "-", stdin=exported).returncode == 0
    assert stored_events(other) == rows_of(events)


def test_bad_events_are_told_by_their_rule_and_kept(database_url: str, tmp_path: Path) -> None:
    store_events(database_url, [event(1, b'{"private":1}')])
    good = run_command(database_url, "export", "--events").stdout
    bad = [
        good.replace(b'"push"', b"7"),
        good.replace(b'{"private":1}', b'"%s"' % (b"private" * 200)),
        good.replace(b'"headers"', b'"no_headers"'),
    ]
    rejects = tmp_path / "rejects"
    arguments = ["import", "-", "--rejects", str(rejects)]
    done = run_command(
        database_url, *arguments, stdin=b"".join(bad), environment={"MAX_BODY_BYTES": "1000"}
    )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "standard input:1: type must be null or a string of at most 255 characters",
        "standard input:2: body must be at most 1,000 bytes long (MAX_BODY_BYTES)",
        "standard input:3: headers is required: an object of strings",
    ]
    assert rejects.read_bytes() == b"".join(bad)


def test_a_body_of_the_greatest_size_comes_back_whatever_its_bytes(
    database_url: str, other: str
) -> None:
    store_events(database_url, [event(1, b"\xff" * 1_048_576), event(2, b'"%s"' % (b"x" * 10**6))])
    exported = run_command(database_url, "export", "--events").stdout
    assert run_command(other, "import", "-", stdin=exported).returncode == 0
    assert stored_events(other) == stored_events(database_url)


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "github"], "--source goes with --events"),
        (["--problem", "true"], "--problem goes with --events"),
        (["--events", "--from", "+1555"], "--from does not go with --events"),
        (["--events", "--message-id", "1"], "--message-id does not go with --events"),
        (["--events", "--problem", "yes"], "--problem must be true or false"),
        (["--events", "--since", "today"], "--since must be an RFC 3339 instant"),
        (["--events", "--format", "csv"], "--events are written as NDJSON"),
        (["--events", "--output", "all.csv.gz"], "--events are written as NDJSON"),
        (["--events", "--excel"], "--events are written as NDJSON"),
    ],
)
def test_senseless_arguments(database_url: str, arguments: list[str], sentence: str) -> None:
    done = run_command(database_url, "export", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.decode().startswith(f"export: {sentence}")
