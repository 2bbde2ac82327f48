"""Properties that hold for any messages and any queries.

The service is compared with `tests.support.model`, and its codecs with Python's standard library.
"""

import asyncio
import hashlib
import hmac
import json
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.api.cursors import decode_cursor, encode_cursor
from service.api.messages.page import parse_query
from service.errors import InvalidMessage, InvalidParameter
from service.messages import text as text_module
from service.messages.instants import (
    INSTANT_FIRST,
    INSTANT_LAST,
    RFC3339,
    format_instant,
    parse_instant,
)
from service.messages.message import decode_message, find_message_id
from service.messages.text import fold
from service.sources import signature
from service.sources.signature import FAILURES
from service.store.access_paths import FEW_MESSAGES, READS_IN_A_ROW
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position
from service.store.postgres import indexer as postgres_indexer
from service.store.postgres import reads as postgres_reads
from service.store.sqlite import indexer
from service.store.sqlite import reads as sqlite_reads
from tests.support.api.walks import check_a_walk_by_cursor, check_a_walk_by_offset
from tests.support.api.webhooks import verify
from tests.support.instants import read_instant
from tests.support.kinds import STORES, empty_database
from tests.support.model import Model, show, show_stats
from tests.support.service import Json, Service, running
from tests.support.strategies import (
    Question,
    Sent,
    deliveries,
    json_values,
    microseconds,
    moments,
    questions,
    replace_unstorable,
    rfc3339,
    sent,
    texts,
    texts_with_cases,
)

on_each_database = pytest.mark.parametrize("kind", STORES)
finding_the_smallest_failure_takes_minutes = pytest.mark.timeout(600)

filters = st.builds(
    Filter,
    st.none() | st.just("+11"),
    st.none() | st.just("+12"),
    st.integers(INSTANT_MIN, INSTANT_MAX),
    st.integers(INSTANT_MIN, INSTANT_MAX),
    texts,
)
positions = st.builds(Position, st.integers(INSTANT_MIN, INSTANT_MAX), texts)


@on_each_database
@finding_the_smallest_failure_takes_minutes
@patch.object(indexer, "BATCH_MESSAGES_MAX", 4)
@patch.object(indexer, "PAUSE_SECONDS", 60)  # so that most messages stay out of the index
@patch.object(postgres_indexer.Indexer, "start", lambda _: None)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), messages=st.lists(sent, max_size=20, unique_by=lambda each: each.message_id))
def test_any_delivery_leaves_the_set_of_its_messages_and_every_walk_shows_it(
    kind: str, data: st.DataObject, messages: list[Sent]
) -> None:
    groups = data.draw(deliveries(messages), label="deliveries")
    asked = data.draw(st.lists(questions(messages), min_size=1, max_size=4), label="questions")
    indexed = data.draw(st.integers(0, len(groups)), label="groups in the index at once")
    # With so few messages these limits decide the access path: every path gets its turn.
    few = data.draw(st.sampled_from([0, 2, FEW_MESSAGES]), label="few messages")
    in_a_row = data.draw(st.sampled_from([1, READS_IN_A_ROW]), label="reads in a row")
    model = Model.of(each.row() for each in messages)

    async def check(service: Service) -> None:
        for number, group in enumerate(groups, start=1):
            await deliver(service, group)
            if number == indexed:
                await service.app._store.index_all()
        assert await get(service, "/stats") == show_stats(model.totals())
        for question in [Question(), *asked]:
            await check_a_walk_by_cursor(partial(get, service), model, question)
            await check_a_walk_by_offset(partial(get, service), model, question)

    with ExitStack() as stack:
        for reads in (sqlite_reads, postgres_reads):
            stack.enter_context(patch.object(reads, "FEW_MESSAGES", few))
            stack.enter_context(patch.object(reads, "READS_IN_A_ROW", in_a_row))
        with_service(kind, check)


@on_each_database
@finding_the_smallest_failure_takes_minutes
@settings(max_examples=30, deadline=None)
@given(data=st.data(), versions=st.lists(sent, min_size=1, max_size=8))
def test_of_several_messages_under_one_id_one_of_the_first_group_stays(
    kind: str, data: st.DataObject, versions: list[Sent]
) -> None:
    named = [each._replace(message_id=data.draw(st.sampled_from("ab"))) for each in versions]
    groups = data.draw(deliveries(named), label="deliveries")

    async def check(service: Service) -> None:
        stored: dict[str, Json] = {}
        conflicts = 0
        for group in groups:
            await deliver(service, group)
            before, stored = stored, await everything(service)
            arrived = [show(each.row()) for each in group]
            conflicts += sum(stored[content["message_id"]] != content for content in arrived)
            assert before.items() <= stored.items()
            assert all(stored[name] in arrived for name in stored.keys() - before)
        metrics = await service.metrics()
        assert metrics["webhook_conflicts_total"] == conflicts
        assert metrics['webhook_requests_total{result="created",source="webhook"}'] == len(stored)
        assert stored.keys() == {each.message_id for each in named}

    with_service(kind, check)


@given(st.integers(INSTANT_FIRST, INSTANT_LAST))
def test_an_instant_is_read_as_it_is_written(instant: int) -> None:
    text = format_instant(instant)
    assert re.match(RFC3339, text)
    assert read_instant(text) == instant
    assert not re.search(r"\.[0-9]*0Z|\.Z", text)
    assert parse_instant(text) == instant


@given(moments, st.integers(0, 6))
def test_an_instant_is_shown_without_needless_digits(moment: datetime, digits: int) -> None:
    instant = parse_instant(rfc3339(moment, digits))
    assert instant == microseconds(moment)
    assert format_instant(instant) == rfc3339(moment)


@given(moments, st.integers(0, 6), st.integers(-1439, 1439))
def test_an_instant_is_the_same_in_any_offset(moment: datetime, digits: int, offset: int) -> None:
    assert parse_instant(rfc3339(moment, digits, offset)) == microseconds(moment)


@given(st.from_regex(RFC3339))
def test_what_looks_like_an_instant_is_one_or_is_refused(text: str) -> None:
    instant = read_instant(text)
    if instant is None:
        assert refuses(parse_instant, text)
    else:
        assert parse_instant(text) == instant


leap_seconds = st.builds(
    "{}-{:02}-{:02}T{:02}:{}:60{}".format,
    st.sampled_from(["0001", "2016", "9999"]),
    st.sampled_from([1, 2, 6, 12]),
    st.sampled_from([1, 28, 29, 30, 31]),
    st.sampled_from([0, 8, 14, 23]),
    st.sampled_from([29, 59]),
    st.sampled_from(["Z", "z", ".5Z", "+09:00", "-09:00", "+01:00", "-00:30"]),
)


@given(leap_seconds)
def test_a_leap_second_ends_a_month(text: str) -> None:
    assert refuses(parse_instant, text) or parse_instant(text) == read_instant(text)
    assert bool(refuses(parse_instant, text)) == (read_instant(text) is None)


@given(sent, st.booleans(), st.dictionaries(st.text(), json_values, max_size=2))
def test_a_valid_message_is_read_as_it_was_meant(
    message: Sent, is_ascii: bool, unknown: dict[str, Any]
) -> None:
    content = unknown | message.content()
    has_surrogates = replace_unstorable(message.text or "") != (message.text or "")
    body = json.dumps(content, ensure_ascii=is_ascii or has_surrogates).encode()
    read = decode_message(body)
    shown = (read.message_id, read.from_msisdn, read.to_msisdn, read.ts, read.text)
    assert shown == message.row()
    if read.text is not None:
        assert (read.folded_text or read.text) == fold(read.text)


@given(sent, st.sampled_from(["message_id", "from", "to", "ts", "text"]), json_values)
def test_a_message_with_any_value_in_a_field_is_read_or_refused_by_the_field_s_name(
    message: Sent, field: str, value: Any
) -> None:
    body = json.dumps(message.content() | {field: value}).encode()
    refusal = refuses(decode_message, body)
    assert not refusal or refusal.startswith(f"{field} must")
    if refusal and field != "message_id":
        assert find_message_id(body) == message.message_id


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    refuses(decode_message, body)


@given(texts | texts_with_cases, texts_with_cases, texts | texts_with_cases)
def test_the_words_of_a_text_stay_parts_of_it_when_both_are_folded(
    before: str, part: str, after: str
) -> None:
    """Without the spaces, a combining mark could change the letter before it."""
    assert fold(f"{before} {part} {after}") == f"{fold(before)} {fold(part)} {fold(after)}"


@given(st.text("\u0301\u0307\u0323\u0328\u0344\u0345\u0f73\u302e👍", min_size=100, max_size=150))
def test_many_marks_are_folded_as_few_are(marks: str) -> None:
    folded = fold(f"e{marks}i{marks}")
    with patch.object(text_module, "RUN_CHARACTERS", 1_000):
        assert fold(f"e{marks}i{marks}") == folded


@pytest.mark.parametrize(
    "marks",
    ["\u0307" * 4_095, "\u0301" * 2_048 + "\u0323" * 2_047, "\u0f73" * 4_095],
    ids=["of an i", "in the wrong order", "of two parts"],
)
def test_hostile_marks_take_no_long_time(marks: str) -> None:
    """No webhook is answered meanwhile. Each of these took 30 ms or more."""
    seconds = []
    for _ in range(5):
        begun = time.process_time()
        fold("i" + marks)
        seconds.append(time.process_time() - begun)
    assert min(seconds) < 0.015


@given(texts | texts_with_cases)
def test_case_and_form_of_a_text_are_folded_once_and_for_all(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    for form in ("NFC", "NFD"):
        assert fold(normalize(form, text)) == folded
    text = normalize("NFC", text)
    for other in (text.upper(), text.lower(), text.swapcase(), text.title()):
        assert fold(other) == folded


@given(positions, filters)
def test_a_cursor_leads_back_to_its_place(position: Position, chosen: Filter) -> None:
    cursor = encode_cursor(position, chosen)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert decode_cursor(cursor, chosen) == position


@given(positions, filters, filters)
def test_a_cursor_is_refused_with_other_filters(
    position: Position, chosen: Filter, other: Filter
) -> None:
    assume(chosen != other)
    assert refuses(decode_cursor, encode_cursor(position, chosen), other)


@given(st.text() | st.binary().map(lambda packed: packed.hex()))
def test_any_text_is_no_cursor(text: str) -> None:
    assert refuses(decode_cursor, text, Filter())


@given(
    st.binary()
    | st.lists(
        st.tuples(
            st.sampled_from(
                ["limit", "offset", "cursor", "from", "to", "since", "until", "q", "total"]
            ),
            st.text() | st.sampled_from(["1", "true", "+11", " 11", "2025-01-15T10:00:00Z"]),
        )
    ).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode(
            "utf-8", "replace"
        )
    )
)
def test_any_query_string_is_read_or_refused(query_string: bytes) -> None:
    if not refuses(parse_query, query_string):
        query = parse_query(query_string)
        assert 1 <= query.limit <= 100
        assert query.offset >= 0


@given(st.binary(), st.binary(min_size=1), st.binary(min_size=1))
def test_a_signature_is_trusted_under_its_secret_and_no_other(
    body: bytes, secret: bytes, other: bytes
) -> None:
    signed = hmac.new(secret, body, hashlib.sha256).hexdigest()
    assert signature.sign(secret, body) == signed
    for written in (signed, signed.upper(), f"sha256={signed}", f"sha256={'0' * 64}, {signed}"):
        assert verify([secret], body, written.encode()) == 0
        assert verify([b"previous", secret], body, written.encode()) == (secret != b"previous")
        assert verify([], body, written.encode()) == "mismatch"
        assert verify([secret], body + b"x", written.encode()) == "mismatch"
    assume(secret.rstrip(b"\0") != other.rstrip(b"\0"))  # HMAC pads a short key with zeros
    assert verify([other], body, signed.encode()) == "mismatch"


@given(
    st.binary()
    | st.text("0123456789abcdefABCDEF", min_size=64, max_size=64).map(str.encode)
    | st.text("a0, \tsh256=", max_size=80).map(str.encode)
)
def test_any_other_bytes_are_just_not_trusted(written: bytes) -> None:
    assert verify([b"secret"], b"body", written) in FAILURES


def refuses(function: Callable[..., object], *arguments: object) -> str:
    """Why `function` refuses these arguments; empty if it does not. Other errors are raised."""
    try:
        function(*arguments)
    except (InvalidMessage, InvalidParameter, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def with_service(kind: str, check: Callable[[Service], Awaitable[None]]) -> None:
    """Run `check` with a new service, and its lifespan."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as name, empty_database(kind, Path(name)) as url:
            async with running(Path(name), DATABASE_URL=url) as service:
                await check(service)

    asyncio.run(run())


async def deliver(service: Service, group: list[Sent]) -> None:
    """Deliver messages at the same time; each must be accepted."""
    answers = await asyncio.gather(*[service.deliver(each.content()) for each in group])
    assert [answer.status_code for answer in answers] == [200] * len(group)


async def get(service: Service, path: str) -> Json:
    answer = await service.get(path)
    assert answer.status_code == 200, answer.text
    content: Json = answer.json()
    return content


async def everything(service: Service) -> dict[str, Json]:
    page = await get(service, "/messages?limit=100")
    return {content["message_id"]: content for content in page["data"]}
