"""Strategies of hypothesis: messages, orders of arrival, and questions."""

import calendar
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from service.messages.addresses import is_address
from service.messages.text import fold
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Row
from tests.support.service import Json

NOON = datetime(2025, 1, 15, 12)  # noqa: DTZ001 - every instant here is in UTC
CASES = (
    "aAsSßẞ\u017fkK\u212aiIİ\u0131\u0307Σ\u03c3ςéÉe\u0301ÀàДд각\u1100\u1161\u11a8京👍%_*'\"\\ \n"
)
"""Letters that fold or compose, and characters that need escapes."""


class Sent(NamedTuple):
    """One message of a sender."""

    message_id: str
    sender: str
    recipient: str
    moment: datetime
    fraction_digits: int
    """The sender writes at least so many fraction digits."""
    text: str | None
    offset_minutes: int = 0

    def content(self) -> Json:
        return {
            "message_id": self.message_id,
            "from": self.sender,
            "to": self.recipient,
            "ts": rfc3339(self.moment, self.fraction_digits, self.offset_minutes),
            "text": self.text,
        }

    def row(self) -> Row:
        ts = microseconds(self.moment)
        text = self.text and replace_unstorable(self.text)
        return Row(self.message_id, self.sender, self.recipient, ts, text)


class Question(NamedTuple):
    """A query of GET /messages."""

    sender: str | None = None
    recipient: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None
    limit: int = 100
    wants_total: bool = True
    message_id: str | None = None
    order: str | None = None

    def chosen(self) -> Filter:
        return Filter(
            self.sender,
            self.recipient,
            INSTANT_MIN if self.since is None else microseconds(self.since),
            INSTANT_MAX if self.until is None else microseconds(self.until),
            fold(self.q or ""),
            self.message_id,
            self.order == "desc",
        )

    def url(self, **more: Any) -> str:
        given = {
            "order": self.order,
            "message_id": self.message_id,
            "from": self.sender,
            "to": self.recipient,
            "since": self.since and rfc3339(self.since),
            "until": self.until and rfc3339(self.until),
            "q": self.q,
            "limit": self.limit,
            "total": str(self.wants_total).lower(),
        } | more
        pairs = [
            (name, quote(str(value), safe="")) for name, value in given.items() if value is not None
        ]
        return "/messages?" + "&".join(f"{name}={value}" for name, value in pairs)


def rfc3339(moment: datetime, fraction_digits: int = 0, offset_minutes: int = 0) -> str:
    """With at least `fraction_digits`, and with Z if the offset is 0 or leaves the calendar."""
    digits = f"{moment.microsecond:06}"
    fraction = digits[: max(fraction_digits, len(digits.rstrip("0")))]
    local = shift(moment, offset_minutes * 60_000_000)
    sign, (hours, minutes) = "+-"[offset_minutes < 0], divmod(abs(offset_minutes), 60)
    zone = "Z" if local == moment else f"{sign}{hours:02}:{minutes:02}"
    return local.isoformat(timespec="seconds") + (f".{fraction}" if fraction else "") + zone


def replace_unstorable(text: str) -> str:
    """The text with U+FFFD for U+0000 and for each lone surrogate."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").replace("\0", "\ufffd")


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return calendar.timegm(moment.timetuple()) * 1_000_000 + moment.microsecond


def shift(moment: datetime, steps: int) -> datetime:
    """`steps` microseconds later, or the same at an end of the calendar."""
    try:
        return moment + timedelta(microseconds=steps)
    except OverflowError:
        return moment


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
texts_with_cases = st.text(CASES, max_size=12)
unstorable_texts = st.text("a\0\ud83d\ude00\udfff", max_size=6)
numbers = st.sampled_from(["+11", "+12", "+491701234567"]) | st.from_regex(
    r"\+[1-9][0-9]{1,14}", fullmatch=True
)
moments = st.builds(shift, st.just(NOON), st.integers(-3, 3)) | st.datetimes()
message_ids = (st.text("ab1 ", min_size=1, max_size=3) | texts.filter(bool)).filter(
    lambda text: not text.isspace()
)
sent = st.builds(
    Sent,
    message_id=message_ids,
    sender=numbers,
    recipient=numbers,
    moment=moments,
    fraction_digits=st.integers(0, 6),
    text=st.none() | texts_with_cases | texts | unstorable_texts,
    offset_minutes=st.sampled_from([0, 0, 540, -330, 1439, -1439]),
)


finite = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

addresses = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64)
    | st.text("\",'=@-; a1", min_size=1, max_size=64)
).filter(is_address)
"""What a messaging provider may call a sender or a recipient."""


@st.composite
def deliveries(draw: st.DrawFn, messages: Sequence[Sent]) -> list[list[Sent]]:
    """Each of `messages` at least once, in any order, in groups that arrive at the same time."""
    again = draw(st.lists(st.sampled_from(messages), max_size=15)) if messages else []
    order = draw(st.permutations([*messages, *again]))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=6)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]


@st.composite
def questions(draw: st.DrawFn, messages: Sequence[Sent]) -> Question:
    """A question that some of `messages` may match."""
    bounds = st.none() | st.builds(
        shift, st.sampled_from([each.moment for each in messages] or [NOON]), st.integers(-1, 1)
    )
    return Question(
        sender=draw(st.none() | st.sampled_from([each.sender for each in messages] or ["+11"])),
        recipient=draw(
            st.none() | st.sampled_from([each.recipient for each in messages] or ["+11"])
        ),
        since=draw(bounds),
        until=draw(bounds),
        q=draw(st.none() | parts_of_texts(messages) | texts_with_cases.filter(bool)),
        limit=draw(st.integers(1, 5) | st.integers(1, 100)),
        wants_total=draw(st.booleans()),
        order=draw(st.sampled_from([None, "asc", "desc", "desc"])),
        message_id=draw(
            st.none() | st.none() | st.sampled_from([each.message_id for each in messages] or ["a"])
        ),
    )


@st.composite
def parts_of_texts(draw: st.DrawFn, messages: Sequence[Sent]) -> str:
    """A few characters of a text, possibly in another case."""
    stored = [each.row().text for each in messages]
    text = draw(st.sampled_from([text for text in stored if text] or ["a"]))
    start = draw(st.integers(0, len(text) - 1))
    part = text[start : start + draw(st.integers(1, 4))]
    return draw(st.sampled_from([part, part.upper(), part.lower(), part.swapcase(), part.title()]))
