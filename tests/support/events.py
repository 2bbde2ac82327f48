"""Events of every kind that an export has to bring back byte for byte."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

from service.messages.event import Event
from service.store.interface import EventFilter, EventRow
from tests.support.kinds import environment_of, store_of
from tests.support.processes import clean_environment
from tests.support.service import ROOT, Json

BODIES = [
    b'{"zen":"Keep it logically awesome.","n":1.50,"n":1e3}',
    b'{ "a" : [ 1 , 2 ] ,\t"\\u00e4":"\xc3\xa4\\/" }',
    b'{\n  "pretty": true\n}\n',
    b'{"line":1}\r\n',
    b' {"space":"around"} ',
    b'{"cr":\r1}',
    b"",
    b"null",
    b"0",
    b'"text"',
    b"[]",
    b"MessageSid=SM1&Body=%2B1",
    b"\x00\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"not":"utf-8 \xff"}',
    b'{"lone":"\\ud800"}',
    b'{"base64":"aGVsbG8="}',
    b'{"\\u0062ase64":"aGVsbG8="}',
    b'{"base64":1}',
    b'{"base64":"!!"}',
    b'{"base64":"aGVsbG8=","more":1}',
    b'{"sep":"\xe2\x80\xa8"}',
    b"[" * 400 + b"]" * 400,
    b"[" * 50_000,
    b'{"n":1' + b"0" * 400 + b"}",
    b'{"cut":',
    json.dumps({"text": "x" * 300_000}).encode(),
]


def event(number: int, body: bytes, **changes: object) -> Event:
    """One of many: `number` decides its id and when it came."""
    fields = {
        "source": "github",
        "event_id": f"e-{number:04}",
        "type": "push",
        "received_at": 1_764_000_000_000_000 + number * 1_000_001,
        "headers": '{"user-agent":"Hook/1","x-quote":"a \\"b\\" \u00e9"}',
        "content_type": "application/json",
        "body": body,
        "problem": None,
    }
    return Event(**(fields | changes))  # type: ignore[arg-type]


EVENTS = [event(number, body) for number, body in enumerate(BODIES)] + [
    event(100, b"{}", source="webhook", type=None, headers="{}", problem="ts must be …"),
    event(101, b"{}", event_id='id / "quoted" \n ü \U0001f44d', type=None, content_type=None),
    event(102, b"{}", event_id="i" * 255, type="ping"),
    event(103, b"{}", received_at=-1, message_ids=("m 2", "m-1")),
]


def stored_events(url: str) -> list[EventRow]:
    """The first thousand events of a database."""

    async def read() -> list[EventRow]:
        store = store_of(url)
        await store.open()
        try:
            page = await store.events(EventFilter(), None, 1_000, 1 << 30)
            assert not page.has_more
            return page.rows
        finally:
            await store.close()

    return asyncio.run(read())


def store_events(url: str, events: Iterable[Event]) -> None:
    """Store events in a database, which is made if it is not there."""

    async def insert() -> None:
        store = store_of(url)
        await store.open()
        try:
            await store.insert([], list(events))
        finally:
            await store.close()

    asyncio.run(insert())


def rows_of(events: Iterable[Event]) -> list[EventRow]:
    """What is stored of new events, in the order of `GET /events`."""
    rows = [
        EventRow(
            each.source,
            each.event_id,
            each.type,
            each.received_at,
            each.headers,
            each.content_type,
            each.body,
            each.problem,
            tuple(each.list_message_ids()),
        )
        for each in events
    ]
    return sorted(rows, key=lambda row: row.position)


def run_command(
    url: str, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`python -m service` with a database."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "service", *arguments],
        cwd=ROOT,
        env=clean_environment(**environment_of(url) | dict(environment or {})),
        input=stdin,
        capture_output=True,
        check=False,
    )


def parse_events(output: bytes) -> list[Json]:
    """The lines of an export; every one must be JSON for Python's parser, too."""
    assert output == b"" or output.endswith(b"\n")
    return [json.loads(line) for line in output.split(b"\n")[:-1]]
