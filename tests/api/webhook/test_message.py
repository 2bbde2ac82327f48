"""POST /webhook: the rules of each field of a message."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api.webhooks import assert_refused, only_row
from tests.support.kinds import on_each_database, on_sqlite
from tests.support.service import Json, Service, encode, message, without

pytestmark = [pytest.mark.anyio, on_each_database]


ASTRAL = "\N{PARTY POPPER}"
MISSING = object()


def changed(field: str, value: Any) -> Json:
    return without(field) if value is MISSING else message(**{field: value})


@pytest.mark.parametrize(
    "message_id",
    [
        pytest.param("1", id="one character"),
        pytest.param("m" * 255, id="255 characters"),
        pytest.param(ASTRAL * 255, id="255 characters of four bytes"),
        pytest.param(" m\t", id="white space around"),
        pytest.param("\N{ZERO WIDTH SPACE}", id="invisible, but no white space"),
        pytest.param("a\nb\"c\\d'e\x7f", id="control characters and quotes"),
        pytest.param("'; DROP TABLE messages; --", id="SQL"),
    ],
)
async def test_message_id_is_kept_as_it_is(service: Service, message_id: str) -> None:
    await service.store(message(message_id=message_id))
    assert await service.ids() == [message_id]


@on_sqlite
@pytest.mark.parametrize(
    "message_id",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("m" * 256, id="256 characters"),
        pytest.param(" ", id="a space"),
        pytest.param(
            "\t\r\n\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}", id="white space of all kinds"
        ),
        pytest.param("a\0b", id="U+0000"),
        pytest.param("\0", id="only U+0000"),
        pytest.param("a\ud800b", id="a lone surrogate"),
        pytest.param("\udfff", id="only a lone surrogate"),
        pytest.param(None, id="null"),
        pytest.param(5, id="a number"),
        pytest.param(True, id="a boolean"),
        pytest.param(["m"], id="an array"),
        pytest.param({}, id="an object"),
    ],
)
async def test_message_id_is_refused(service: Service, message_id: Any) -> None:
    await assert_refused(service, changed("message_id", message_id), "message_id")


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "number",
    [pytest.param("+12", id="2 digits"), pytest.param("+123456789012345", id="15 digits")],
)
async def test_number_is_accepted(service: Service, field: str, number: str) -> None:
    await service.store(changed(field, number))
    assert (await only_row(service))[field] == number


@on_sqlite
@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("+", id="no digit"),
        pytest.param("+1", id="1 digit"),
        pytest.param("+1234567890123456", id="16 digits"),
        pytest.param("+0123", id="a leading 0"),
        pytest.param("491701234567", id="no plus"),
        pytest.param("00491701234567", id="00 for the plus"),
        pytest.param("++491701234567", id="two pluses"),
        pytest.param("+49 170 1234567", id="spaces"),
        pytest.param(" +491701234567", id="a space in front"),
        pytest.param("+491701234567\n", id="a newline behind"),
        pytest.param("+49170123456a", id="a letter"),
        pytest.param("+\u0664\u0669\u0661\u0667", id="Arabic digits"),
        pytest.param("\uff0b491701234567", id="a full-width plus"),
        pytest.param("+49\x00170", id="U+0000"),
        pytest.param(None, id="null"),
        pytest.param(491701234567, id="a number"),
    ],
)
async def test_number_is_refused(service: Service, field: str, number: Any) -> None:
    await assert_refused(service, changed(field, number), field)


@pytest.mark.parametrize(
    ("ts", "shown"),
    [
        pytest.param("2024-02-29T23:59:59Z", None, id="leap day"),
        pytest.param("2000-02-29T00:00:00Z", None, id="leap day of a leap century"),
        pytest.param("2025-01-15T10:00:00.5Z", None, id="1 fraction digit"),
        pytest.param("2025-01-15T10:00:00.000001Z", None, id="6 fraction digits"),
        pytest.param("2025-01-15T10:00:00.120000Z", "2025-01-15T10:00:00.12Z", id="zeros behind"),
        pytest.param("2025-01-15T10:00:00.000Z", "2025-01-15T10:00:00Z", id="an empty fraction"),
        pytest.param("1969-12-31T23:59:59.999999Z", None, id="before 1970"),
        pytest.param("0001-01-01T00:00:00Z", None, id="the first instant"),
        pytest.param("9999-12-31T23:59:59.999999Z", None, id="the last instant"),
        pytest.param(
            "2026-07-14T13:27:26.534+09:00", "2026-07-14T04:27:26.534Z", id="an offset to the east"
        ),
        pytest.param("2025-01-15T23:00:00-05:30", "2025-01-16T04:30:00Z", id="to the west"),
        pytest.param("2025-01-15T10:00:00+00:00", "2025-01-15T10:00:00Z", id="offset 0"),
        pytest.param("2025-01-15T10:00:00-00:00", "2025-01-15T10:00:00Z", id="an unknown offset"),
        pytest.param("2025-01-15T00:00:00+23:59", "2025-01-14T00:01:00Z", id="a day and a night"),
        pytest.param("0001-01-01T09:00:00+09:00", "0001-01-01T00:00:00Z", id="the first, offset"),
        pytest.param(
            "9999-12-31T18:59:59.999999-05:00", "9999-12-31T23:59:59.999999Z", id="the last, offset"
        ),
        pytest.param("2025-01-15T10:00:00z", "2025-01-15T10:00:00Z", id="lower case z"),
        pytest.param("2025-01-15t10:00:00Z", "2025-01-15T10:00:00Z", id="lower case t"),
        pytest.param("2025-01-15t10:00:00.5+00:30", "2025-01-15T09:30:00.5Z", id="t and offset"),
        pytest.param(
            "2025-01-15T10:00:00.1234567Z", "2025-01-15T10:00:00.123456Z", id="7 fraction digits"
        ),
        pytest.param(
            "2025-01-15T10:00:00.999999999Z", "2025-01-15T10:00:00.999999Z", id="9 fraction digits"
        ),
        pytest.param(
            f"2025-01-15T10:00:00.{'0' * 5_000}+01:00", "2025-01-15T09:00:00Z", id="5,000 digits"
        ),
        pytest.param("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", id="a leap second"),
        pytest.param(
            "2017-01-01T08:59:60.25+09:00", "2017-01-01T00:00:00.25Z", id="a leap second, offset"
        ),
    ],
)
async def test_ts_is_accepted_and_comes_back(service: Service, ts: str, shown: str | None) -> None:
    await service.store(message(ts=ts))
    assert (await only_row(service))["ts"] == (shown or ts)


@on_sqlite
@pytest.mark.parametrize(
    "ts",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("2025-02-29T10:00:00Z", id="no leap year"),
        pytest.param("1900-02-29T10:00:00Z", id="no leap century"),
        pytest.param("2025-04-31T10:00:00Z", id="day 31 of 30"),
        pytest.param("2025-01-00T10:00:00Z", id="day 0"),
        pytest.param("2025-00-15T10:00:00Z", id="month 0"),
        pytest.param("2025-13-15T10:00:00Z", id="month 13"),
        pytest.param("2025-01-15T24:00:00Z", id="hour 24"),
        pytest.param("2025-01-15T10:60:00Z", id="minute 60"),
        pytest.param("2016-12-31T23:58:60Z", id="second 60 of another minute"),
        pytest.param("2016-12-30T23:59:60Z", id="second 60 of another day"),
        pytest.param("2016-12-31T23:59:61Z", id="second 61"),
        pytest.param("9999-12-31T23:59:60Z", id="a leap second after the last instant"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("0001-01-01T00:00:00+00:01", id="before the first instant"),
        pytest.param("9999-12-31T23:59:59-00:01", id="after the last instant"),
        pytest.param("10000-01-01T00:00:00Z", id="year 10000"),
        pytest.param("2025-01-15T10:00:00.Z", id="no digit behind the point"),
        pytest.param("2025-01-15T10:00:00,5Z", id="a comma"),
        pytest.param("2025-01-15 10:00:00Z", id="a space between"),
        pytest.param("2025-01-15T10:00:00", id="no zone"),
        pytest.param("2025-01-15T10:00:00 +01:00", id="a space before the offset"),
        pytest.param("2025-01-15T10:00:00+0100", id="an offset without its colon"),
        pytest.param("2025-01-15T10:00:00+01", id="an offset without its minutes"),
        pytest.param("2025-01-15T10:00:00+01:60", id="an offset of 60 minutes"),
        pytest.param("2025-01-15T10:00:00+24:00", id="an offset of 24 hours"),
        pytest.param("2025-01-15T10:00:00+01:00:30", id="an offset with seconds"),
        pytest.param("2025-01-15T10:00:00\u221201:00", id="a minus that is not ASCII"),
        pytest.param("2025-01-15T10:00:00Z+01:00", id="Z and an offset"),
        pytest.param("2025-01-15T10:00:00Z\n", id="a newline behind"),
        pytest.param(" 2025-01-15T10:00:00Z", id="a space in front"),
        pytest.param("2025-01-15T10:00Z", id="no seconds"),
        pytest.param("2025-01-15", id="a date"),
        pytest.param("20250115T100000Z", id="the basic format"),
        pytest.param("2025-W03-3T10:00:00Z", id="a week date"),
        pytest.param("-025-01-15T10:00:00Z", id="a minus in the year"),
        pytest.param("\u0662\u0660\u0662\u0665-01-15T10:00:00Z", id="Arabic digits"),
        pytest.param("2025-01-15T10:00:00Z\0", id="U+0000"),
        pytest.param(None, id="null"),
        pytest.param(1736935200, id="a number"),
    ],
)
async def test_ts_is_refused(service: Service, ts: Any) -> None:
    await assert_refused(service, changed("ts", ts), "ts")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("x" * 4096, id="4096 characters"),
        pytest.param(ASTRAL * 4096, id="4096 characters of four bytes"),
        pytest.param(" \r\n\t", id="white space"),
        pytest.param("\\u0000", id="a backslash and u0000"),
        pytest.param("e\u0301 \u0634\u0643\u0631 \ufeff\uffff", id="marks and scripts"),
    ],
)
async def test_text_comes_back_as_it_was(service: Service, text: str | None) -> None:
    await service.store(message(text=text))
    assert (await only_row(service))["text"] == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(r"a\u0000b", "a\ufffdb", id="U+0000"),
        pytest.param(r"\u0000\u0000", "\ufffd\ufffd", id="only U+0000"),
        pytest.param(r"\\u0000", r"\u0000", id="a backslash and u0000"),
        pytest.param(r"a\ud800b", "a\ufffdb", id="a high surrogate alone"),
        pytest.param(r"\uDFFF", "\ufffd", id="a low surrogate alone, upper case"),
        pytest.param(r"\udc00\ud800", "\ufffd\ufffd", id="surrogates swapped"),
        pytest.param(r"\ud83d\ud83d\ude00", "\ufffd\U0001f600", id="a pair after a lone one"),
        pytest.param(r"\ud83d\ude00\ude00", "\U0001f600\ufffd", id="a pair before a lone one"),
        pytest.param(r"\\ud83d\ude00", "\\ud83d\ufffd", id="after a backslash that is one"),
        pytest.param(r"\ud83d\\ude00", "\ufffd\\ude00", id="before a backslash that is one"),
        pytest.param(r"\\\ud83d", "\\\ufffd", id="after two backslashes that are one"),
        pytest.param(r"\ud83d\n\u00e9", "\ufffd\n\u00e9", id="among other escapes"),
        pytest.param(r"\ud83d" * 4096, "\ufffd" * 4096, id="4096 lone surrogates"),
    ],
)
async def test_what_can_not_be_stored_is_replaced(service: Service, text: str, shown: str) -> None:
    response = await service.deliver(encode(message()).replace(b"Hello", text.encode()))
    assert response.status_code == 200
    assert (await only_row(service))["text"] == shown
    assert await service.ids("?q=" + quote(shown[:300])) == ["m-1"]


async def test_text_may_be_missing(service: Service) -> None:
    await service.store(without("text"))
    assert (await only_row(service))["text"] is None


@on_sqlite
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 4097, id="4097 characters"),
        pytest.param(ASTRAL * 4097, id="4097 characters of four bytes"),
        pytest.param(0, id="a number"),
        pytest.param(False, id="a boolean"),
        pytest.param(["Hello"], id="an array"),
        pytest.param({"body": "Hello"}, id="an object"),
    ],
)
async def test_text_is_refused(service: Service, text: Any) -> None:
    await assert_refused(service, changed("text", text), "text")
